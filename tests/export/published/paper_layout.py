"""Write the paper's three files with random weights; a program of its own, without bandmate.

    python paper_layout.py FOLDER U-NET-WIDTH VAE-WIDTH VOCODER-WIDTH

Names and shapes are those of the authors' files, at any widths. The last weights of the U-Net are
zeros that take no room; the averaged ones are what counts.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

Named = Iterator[tuple[str, tuple[int, ...]]]


def layer(name: str, *shape: int) -> Named:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def residual(name: str, before: int, after: int, embedding: int) -> Named:
    yield from layer(f"{name}.in_layers.0", before)
    yield from layer(f"{name}.in_layers.2", after, before, 3, 3, 3)
    yield from layer(f"{name}.emb_layers.1", after, embedding)
    yield from layer(f"{name}.out_layers.0", after)
    yield from layer(f"{name}.out_layers.3", after, after, 3, 3, 3)
    if before != after:
        yield from layer(f"{name}.skip_connection", after, before, 1, 1, 1)


def attention(name: str, width: int) -> Named:
    yield from layer(f"{name}.norm", width)
    yield from layer(f"{name}.qkv", 3 * width, width, 1)
    yield from layer(f"{name}.proj_out", width, width, 1)


def unet(width: int) -> Named:
    embedding, widths = 4 * width, [width, 2 * width, 3 * width, 5 * width]
    yield from layer("time_embed.0", embedding, width)
    yield from layer("time_embed.2", embedding, embedding)
    yield from layer("input_blocks.0.0", width, 4, 3, 3, 3)
    now, skips = width, [width]
    for level, after in enumerate(widths):
        for _ in range(2):
            name = f"input_blocks.{len(skips)}"
            yield from residual(f"{name}.0", now, after, embedding)
            if level:
                yield from attention(f"{name}.1", after)
            now = after
            skips.append(now)
        if level < 3:
            yield from layer(f"input_blocks.{len(skips)}.0.op", now, now, 3, 3, 3)
            skips.append(now)
    yield from residual("middle_block.0", now, now, embedding)
    yield from attention("middle_block.1", now)
    yield from residual("middle_block.2", now, now, embedding)
    for block in range(12):
        level, name = 3 - block // 3, f"output_blocks.{block}"
        yield from residual(f"{name}.0", now + skips.pop(), widths[level], embedding)
        now = widths[level]
        if level:
            yield from attention(f"{name}.1", now)
        if level and block % 3 == 2:
            yield from layer(f"{name}.2.conv", now, now, 3, 3, 3)
    yield from layer("out.0", now)
    yield from layer("out.2", 4, now, 3, 3, 3)


def block(name: str, before: int, after: int) -> Named:
    yield from layer(f"{name}.norm1", before)
    yield from layer(f"{name}.conv1", after, before, 3, 3)
    yield from layer(f"{name}.norm2", after)
    yield from layer(f"{name}.conv2", after, after, 3, 3)
    if before != after:
        yield from layer(f"{name}.nin_shortcut", after, before, 1, 1)


def middle(name: str, width: int) -> Named:
    yield from block(f"{name}.block_1", width, width)
    yield from layer(f"{name}.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from layer(f"{name}.attn_1.{part}", width, width, 1, 1)
    yield from block(f"{name}.block_2", width, width)


def vae(width: int) -> Named:
    widths = [width, 2 * width, 4 * width]
    yield from layer("encoder.conv_in", width, 1, 3, 3)
    now = width
    for level, after in enumerate(widths):
        for index in range(2):
            yield from block(f"encoder.down.{level}.block.{index}", now, after)
            now = after
        if level < 2:
            yield from layer(f"encoder.down.{level}.downsample.conv", now, now, 3, 3)
    yield from middle("encoder.mid", now)
    yield from layer("encoder.norm_out", now)
    yield from layer("encoder.conv_out", 16, now, 3, 3)
    yield from layer("quant_conv", 16, 16, 1, 1)
    yield from layer("post_quant_conv", 8, 8, 1, 1)
    yield from layer("decoder.conv_in", now, 8, 3, 3)
    yield from middle("decoder.mid", now)
    for level in (2, 1, 0):
        for index in range(3):
            yield from block(f"decoder.up.{level}.block.{index}", now, widths[level])
            now = widths[level]
        if level:
            yield from layer(f"decoder.up.{level}.upsample.conv", now, now, 3, 3)
    yield from layer("decoder.norm_out", now)
    yield from layer("decoder.conv_out", 1, now, 3, 3)
    yield from layer("loss.discriminator.main.0", 64, 1, 4, 4)


def normed(name: str, outputs: int, *shape: int) -> Named:
    yield f"{name}.bias", (outputs,)
    yield f"{name}.weight_g", (shape[0], 1, 1)
    yield f"{name}.weight_v", shape


def vocoder(width: int) -> Named:
    yield from normed("conv_pre", width, width, 64, 7)
    for stage, kernel in enumerate((16, 16, 8, 4, 4)):
        after = width // 2
        yield from normed(f"ups.{stage}", after, width, after, kernel)
        for index, size in enumerate((3, 7, 11)):
            for part in ("convs1", "convs2"):
                for place in range(3):
                    name = f"resblocks.{3 * stage + index}.{part}.{place}"
                    yield from normed(name, after, after, after, size)
        width = after
    yield from normed("conv_post", 1, 1, width, 7)


def drawn(names: Named) -> dict[str, torch.Tensor]:
    found = {}
    for name, shape in names:
        value = torch.randn(shape)
        if len(shape) > 1 and not name.endswith("weight_g"):
            value *= (value.numel() / shape[0]) ** -0.5
        elif name.endswith("bias"):
            value *= 0.1
        else:
            value = 1 + 0.1 * value
        found[name] = value
    return found


def main(folder: Path, widths: list[int]) -> None:
    torch.manual_seed(0)
    averages = drawn(unet(widths[0]))
    state = {"logvar": torch.zeros(1000), "betas": torch.zeros(1000)}
    state["scale_factor"] = torch.tensor(0.9)
    for name, value in averages.items():
        state[f"model.diffusion_model.{name}"] = torch.zeros(1).expand(value.shape)
    state["model_ema.decay"] = torch.tensor(0.9999)
    state["model_ema.num_updates"] = torch.tensor(7, dtype=torch.int32)
    for name, value in averages.items():
        state["model_ema." + f"diffusion_model.{name}".replace(".", "")] = value
    whole = {"epoch": 3, "global_step": 9, "state_dict": state, "callbacks": {}, "loops": {}}
    torch.save(whole, folder / "unet.ckpt")
    torch.save({"state_dict": drawn(vae(widths[1]))}, folder / "vae.ckpt")
    torch.save({"generator": drawn(vocoder(widths[2]))}, folder / "vocoder.ckpt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]])
