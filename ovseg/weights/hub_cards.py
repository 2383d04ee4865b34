"""Weights on the hub that presets and flags use by name.

A revision and a hash stand here only where public sources that agree with each other give both; the other
weights are recorded when they are first seen (:mod:`ovseg.weights.hash_record`).
"""

from __future__ import annotations

from ovseg.weights.cards import HubFiles, WeightCard, record


def _on_hub(
    name: str,
    what: str,
    repo: str,
    spec: str,
    licence: str,
    *,
    files: tuple[str, ...] = ("model.safetensors",),
    revision: str | None = None,
    sha256: str | None = None,
    size_bytes: int | None = None,
    commercial: bool | None = True,
) -> WeightCard:
    return record(
        WeightCard(
            name=name,
            what=what,
            at=HubFiles(repo, files, revision),
            licence=licence,
            source=f"https://huggingface.co/{repo}",
            sha256=sha256,
            size_bytes=size_bytes,
            commercial=commercial,
            spec=spec,
        )
    )


CLIP_B16 = _on_hub(
    "clip-vitb16",
    "CLIP ViT-B/16 (OpenAI)",
    "timm/vit_base_patch16_clip_224.openai",
    "ViT-B-16:openai",
    "MIT (OpenAI CLIP)",
    files=("open_clip_model.safetensors",),
    revision="977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d",
    sha256="4b8699299b1e8997753c64b052ba32031449d5d853f55a039148560ee02b820f",
)

CLIP_L14 = _on_hub(
    "clip-vitl14",
    "CLIP ViT-L/14 (OpenAI)",
    "timm/vit_large_patch14_clip_224.openai",
    "ViT-L-14:openai",
    "MIT (OpenAI CLIP)",
    files=("open_clip_model.safetensors",),
    revision="18d0535469bb561bf468d76c1d73aa35156c922b",
    sha256="9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e",
)

DINO_S16 = _on_hub(
    "dino-vits16",
    "DINO ViT-S/16",
    "timm/vit_small_patch16_224.dino",
    "timm:vit_small_patch16_224.dino",
    "Apache-2.0",
)

DINO_B8 = _on_hub(
    "dino-vitb8",
    "DINO ViT-B/8",
    "timm/vit_base_patch8_224.dino",
    "timm:vit_base_patch8_224.dino",
    "Apache-2.0",
)

DINOV2_S14 = _on_hub(
    "dinov2-vits14",
    "DINOv2 ViT-S/14",
    "timm/vit_small_patch14_dinov2.lvd142m",
    "timm:vit_small_patch14_dinov2.lvd142m",
    "Apache-2.0",
    revision="4610ca143709d58a633b6397a74412c2c3842454",
    sha256="04d27f3400d059fc0cfd7d17dd1909a75bf3ea8fb3eeb48b97cb99e57ee20081",
    size_bytes=88_240_510,
)

DINOV2_L14 = _on_hub(
    "dinov2-vitl14",
    "DINOv2 ViT-L/14",
    "timm/vit_large_patch14_dinov2.lvd142m",
    "timm:vit_large_patch14_dinov2.lvd142m",
    "Apache-2.0",
    revision="4741e1cafbf45415e77074bb0cb42dba76c8684a",
    sha256="0424a5d1b515278cba3c6640ccbeaacc41de59d3a93df0dd5e494285eea2b355",
    size_bytes=1_217_502_758,
)

DINOV2_B14_REG = _on_hub(
    "dinov2-vitb14-reg4",
    "DINOv2 ViT-B/14 with registers",
    "timm/vit_base_patch14_reg4_dinov2.lvd142m",
    "timm:vit_base_patch14_reg4_dinov2.lvd142m",
    "Apache-2.0",
)

DINOV3_S16 = _on_hub(
    "dinov3-vits16",
    "DINOv3 ViT-S/16",
    "timm/vit_small_patch16_dinov3.lvd1689m",
    "timm:vit_small_patch16_dinov3.lvd1689m",
    "DINOv3 License (Meta's own: read it before commercial use)",
    commercial=None,
)

STABLE_DIFFUSION = _on_hub(
    "stable-diffusion-1.5",
    "Stable Diffusion 1.5 (a diffusion pipeline)",
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "hf-hub:stable-diffusion-v1-5/stable-diffusion-v1-5",
    "CreativeML OpenRAIL-M (use restrictions)",
    files=(),
)
