"""Networks of PyTorch: a module at hand, and by name those of timm, torchvision and transformers, prepared as they say.

The networks of the three packages run with untrained weights: the trained ones lie on a hub, the code is the same.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import torchvision_ops

import adjoin
from adjoin.embed.images import torch_network
from adjoin.embed.images.base import canary
from adjoin.embed.images.preparation import Preparation, fitted, of_processor
from adjoin.errors import InvalidOption, MissingExtra, NotFound, Unsupported

torch = pytest.importorskip("torch", reason="networks of PyTorch need it: pip install 'adjoin[torch]'")
Image = pytest.importorskip("PIL.Image", reason="pictures need Pillow")


@pytest.fixture(scope="module")
def packages() -> dict[str, Any]:
    torchvision_ops.declare()
    return {
        name: pytest.importorskip(name, reason=f"its networks need {name}: pip install 'adjoin[torch]'")
        for name in ("torchvision", "timm", "transformers")
    }


def picture(width: int = 340, height: int = 300) -> Any:
    return Image.fromarray(canary()).resize((width, height), Image.Resampling.BICUBIC)


def unit(vector: Any) -> Any:
    return (vector.flatten() / vector.norm()).detach().numpy()


def untrained(make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def test_a_module_embeds_as_torch_itself_does() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU())
    model = adjoin.embedder("torch-image", model=net, size=32, fit="squeeze", model_name="mine")
    prepared = Preparation((32, 32)).apply(picture())
    expected = net(torch.from_numpy(prepared[None])).mean((2, 3))[0]
    assert model.embed([picture()])[0] == pytest.approx(unit(expected), abs=1e-6)
    assert (model.identity.model, model.dim, model.reopened_by) == ("mine", 8, None)
    before = model.identity.fingerprint
    with torch.no_grad():
        net[0].bias += 1
    changed = adjoin.embedder("torch-image", model=net, size=32, fit="squeeze", model_name="mine")
    assert changed.identity.fingerprint != before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "vit_tiny_patch16_224", "convnext_atto", "resnet10t"])
def test_a_network_of_timm_sees_what_timm_shows_it(name: str, packages: dict[str, Any]) -> None:
    timm = packages["timm"]
    net = untrained(lambda: timm.create_model(name, pretrained=False, num_classes=0))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(net), is_training=False)
    model = adjoin.embedder("torch-image", model=f"timm:{name}", pretrained=False)
    assert model.embed([picture()])[0] == pytest.approx(unit(net(transform(picture())[None])), abs=2e-5)
    assert model.dim == net.num_features or model.dim == net.head_hidden_size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "densenet121"])
def test_a_network_of_torchvision_sees_what_its_weights_say(name: str, packages: dict[str, Any]) -> None:
    models = packages["torchvision"].models
    net = untrained(lambda: models.get_model(name, weights=None))
    last = [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear) and layer.out_features == 1000]
    seen: list[Any] = []
    last[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(models.get_model_weights(name).DEFAULT.transforms()(picture())[None])
    model = adjoin.embedder("torch-image", model=f"torchvision:{name}", pretrained=False)
    assert model.embed([picture()])[0] == pytest.approx(unit(seen[0]), abs=2e-5)


@pytest.mark.slow
def test_every_kind_of_classifier_of_torchvision_goes_without_its_last_layer(packages: dict[str, Any]) -> None:
    models = packages["torchvision"].models
    names = models.list_models(module=models)
    kinds = {models.get_model_builder(name).__module__: name for name in reversed(names)} | {
        "size of its own": "vit_h_14"
    }
    assert len(kinds) > 15
    for name in kinds.values():
        made = {} if name not in ("googlenet", "inception_v3") else {"init_weights": False}
        made |= {"image_size": 518} if name == "vit_h_14" else {}
        with torch.device("cpu" if name.startswith("regnet") else "meta"):  # meta: shapes alone; a RegNet reads values
            net = torch_network._without_last_layer(models.get_model(name, weights=None, **made)).eval()
            side = models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
            found = net(torch.zeros(1, 3, side, side))
        assert (found.ndim == 4 and name.startswith("squeezenet")) or found.ndim == 2, name
        assert found.shape[1] in range(64, 4097), name
        assert found.shape[1] != 1000, name


def transformers_folder(kind: str, folder: Path, transformers: Any) -> Any:
    """A small network of that kind with its preparation, saved as transformers does. Gives its half that sees."""
    tokens = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    side = {"image_size": 32, "patch_size": 8}
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
    if kind == "vit":
        net = untrained(lambda: transformers.ViTModel(transformers.ViTConfig(**tokens, **side)))
        shown = transformers.ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=mean, image_std=std)
    elif kind == "clip":
        config = transformers.CLIPConfig(
            text_config={**tokens, "vocab_size": 100}, vision_config={**tokens, **side}, projection_dim=16
        )
        net = untrained(lambda: transformers.CLIPModel(config))
        shown = transformers.CLIPImageProcessor(
            size={"shortest_edge": 40}, crop_size=32, image_mean=mean, image_std=std
        )
    else:
        small = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
        net = untrained(lambda: transformers.ResNetModel(transformers.ResNetConfig(**small)))
        shown = transformers.ConvNextImageProcessor(size={"shortest_edge": 384}, image_mean=mean, image_std=std)
    net.save_pretrained(folder)
    shown.save_pretrained(folder)
    return getattr(net, "vision_model", net), shown


@pytest.mark.parametrize("kind", ["vit", "clip", "resnet"])
def test_a_network_of_transformers_sees_what_its_processor_says(
    kind: str, packages: dict[str, Any], tmp_path: Path
) -> None:
    net, shown = transformers_folder(kind, tmp_path / "here", packages["transformers"])
    model = adjoin.embedder("torch-image", model=f"transformers:{tmp_path}/here")
    values = shown(images=picture(), return_tensors="pt")["pixel_values"]
    assert model.embed([picture()])[0] == pytest.approx(unit(net(values).pooler_output), abs=2e-3)  # of uint8 rounded
    moved = (tmp_path / "here").rename(tmp_path / "moved")
    again = adjoin.embedder("torch-image", model=f"transformers:{moved}")
    assert again.identity.fingerprint == model.identity.fingerprint


def test_a_text_model_of_transformers_is_refused(packages: dict[str, Any], tmp_path: Path) -> None:
    transformers = packages["transformers"]
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=50
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(Unsupported, match="takes input_ids, not pictures"):
        adjoin.embedder("torch-image", model=f"transformers:{tmp_path}").embed([picture()])


def test_untrained_weights_are_the_same_every_time(packages: dict[str, Any]) -> None:
    before = torch.random.get_rng_state()
    first, second = (adjoin.embedder("torch-image", model="timm:resnet10t", pretrained=False) for _ in range(2))
    assert first.identity.fingerprint == second.identity.fingerprint
    assert torch.equal(torch.random.get_rng_state(), before), "another's random numbers were used up"
    other = adjoin.embedder("torch-image", model="timm:resnet10t", pretrained=False, fit="squeeze")
    assert other.identity.fingerprint != first.identity.fingerprint


def test_a_collection_keeps_the_vectors_of_a_named_network(packages: dict[str, Any], tmp_path: Path) -> None:
    model = adjoin.embedder("torch-image", model="timm:resnet10t", pretrained=False)
    turned = [np.asarray(picture().rotate(angle, fillcolor=(255, 255, 255))) for angle in (0, 45, 90)]
    with adjoin.open(tmp_path / "p.adjoin") as db:
        shown = db.collection("pictures", embedder=model)
        shown.add(turned, ids=["0", "45", "90"])
    again = adjoin.embedder("torch-image", model="timm:resnet10t", pretrained=False)
    with adjoin.open(tmp_path / "p.adjoin") as db:
        hits = db.collection("pictures", embedder=again).search(turned[1], k=3)
        assert hits[0].id == "45"
        assert hits[0].score == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("model", ["resnet18", "keras:vgg", "timm:", 7])
def test_what_names_no_network_is_refused(model: Any) -> None:
    with pytest.raises(InvalidOption):
        adjoin.embedder("torch-image", model=model).embed([picture()])


@pytest.mark.parametrize(("model", "error", "told"), [
    ("timm:no_such_network", NotFound, "timm cannot load 'no_such_network'"),
    ("torchvision:no_such_network", NotFound, "torchvision has no network 'no_such_network'"),
    ("torchvision:fcn_resnet50", Unsupported, "take a network that classifies"),
    ("transformers:no/such/folder", NotFound, "transformers cannot load"),
])  # fmt: skip
def test_a_network_that_is_not_there_is_named(
    model: str, error: type[Exception], told: str, packages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(error, match=told):
        adjoin.embedder("torch-image", model=model).embed([picture()])


@pytest.mark.parametrize("package", ["timm", "torchvision", "transformers"])
def test_a_package_that_is_missing_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"pip install 'adjoin\[torch\]'"):
        adjoin.embedder("torch-image", model=f"{package}:resnet18").embed([picture()])


@pytest.mark.skipif("+cpu" not in torch.__version__, reason="this PyTorch goes with torchvision's build on PyPI")
def test_a_torchvision_of_another_build_is_told_of() -> None:
    code = (
        "import adjoin, numpy as np\n"
        "try: adjoin.embedder('torch-image', model='torchvision:resnet18', pretrained=False).embed([np.zeros((9, 9, 3))])\n"
        "except adjoin.errors.Unsupported as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "does not go with this PyTorch" in done.stdout
    assert "ONNX" in done.stdout


def test_options_of_preparation_are_checked_at_once() -> None:
    net = torch.nn.Conv2d(3, 4, 3)
    for options, told in (({"resample": "sharp"}, "unknown resample"), ({"fit": "x"}, "unknown fit"),
                          ({"channels": "hsv"}, "unknown channels")):  # fmt: skip
        with pytest.raises(InvalidOption, match=told):
            adjoin.embedder("torch-image", model=net, **options)
    for options, told in (({"resize": 256, "fit": "squeeze"}, 'before fit="crop"'), ({"resize": 100}, "from 224"),
                          ({"std": (0, 1, 1)}, "has a 0")):  # fmt: skip
        with pytest.raises(InvalidOption, match=told):
            adjoin.embedder("torch-image", model=net, **options).embed([picture()])


def test_the_middle_is_cut_out_of_a_picture_that_is_resized_first() -> None:
    image = Image.new("RGB", (80, 40), (0, 0, 0))
    image.paste((255, 255, 255), (20, 0, 60, 40))
    assert np.asarray(fitted(image, (40, 40), "crop", resize=40)).min() == 255
    cut = np.asarray(fitted(image, (20, 20), "crop", resize=40))
    assert cut.shape == (20, 20, 3)
    assert cut.min() == 255
    thread = Image.new("RGB", (60_000, 1), (7, 7, 7))
    assert (np.asarray(fitted(thread, (224, 224), "crop", resize=256, resample="bicubic")) == 7).all()


def test_a_processor_is_read_as_hugging_face_writes_it() -> None:
    clip = {"do_center_crop": True, "crop_size": {"height": 224, "width": 224}, "size": {"shortest_edge": 256},
            "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "image_mean": [0.1] * 3, "image_std": [0.2] * 3}  # fmt: skip
    assert of_processor(clip) == {
        "fit": "crop", "size": [224, 224], "resize": 256, "resample": "bicubic", "scale": 1 / 255,
        "mean": [0.1] * 3, "std": [0.2] * 3,
    }  # fmt: skip
    old = {"size": 224, "do_normalize": False, "do_rescale": False}
    assert of_processor(old) == {"size": 224, "scale": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3}
