"""The sentence encoder with small random weights, against formulas and transformers' BERT."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ovseg.encoders.sentence import SentenceEncoder, minilm_state

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "cat", "dog", "a", "photo", "of", "sky"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made.save(str(path))
    return path


@pytest.fixture(scope="module")
def encoder(tokenizer: Path) -> SentenceEncoder:
    torch.manual_seed(0)
    made = SentenceEncoder(tokenizer, width=24, layers=2, heads=3).eval()
    for parameter in made.parameters():  # biases and norms, too, must take part
        torch.nn.init.normal_(parameter, std=0.3)
    return made


TEXTS = ["a photo of a cat", "dog", "sky of a dog of a sky of a dog", "cat", ""]


def test_embeddings_have_unit_length(encoder):
    found = encoder(TEXTS)
    assert found.shape == (5, 24)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))


def test_padding_and_batches_change_no_embedding(encoder):
    together = encoder(TEXTS)
    alone = torch.cat([encoder([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(encoder(TEXTS, batch_size=2), alone, atol=1e-6, rtol=0)


def test_no_texts_have_no_embeddings(encoder):
    assert encoder([]).shape == (0, 24)


def test_a_long_text_is_cut(encoder):
    long = "dog " * 2000
    torch.testing.assert_close(encoder([long]), encoder(["dog " * 254]), atol=1e-6, rtol=0)


def test_the_encoder_is_berts_with_a_mean_over_tokens(encoder, tokenizer):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=30522,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=96,
        max_position_embeddings=512,
    )
    torch.manual_seed(1)
    bert = transformers.BertModel(config, add_pooling_layer=False).eval()
    for parameter in bert.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = SentenceEncoder(tokenizer, width=24, layers=2, heads=3).eval()
    ours.load_state_dict(minilm_state(bert.state_dict()))

    tokens = ours.tokenizer.encode_batch(TEXTS)
    ids = torch.tensor([entry.ids for entry in tokens])
    mask = torch.tensor([entry.attention_mask for entry in tokens])
    with torch.inference_mode():
        hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    torch.testing.assert_close(ours(TEXTS), torch.nn.functional.normalize(mean, dim=-1), atol=1e-5, rtol=0)
