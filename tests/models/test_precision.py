import pytest
import torch

from napari_sam.errors import UserError
from napari_sam.models.device import Precision
from napari_sam.models.load import load_model


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_images_are_encoded_in_the_precision_and_prompts_decoded_in_float32(precision, dtype):
    model = load_model("nano", "cpu", precision)

    assert model.precision == Precision(precision)
    assert {each.dtype for each in model.network.image_encoder.parameters()} == {dtype}
    assert {each.dtype for each in model.network.mask_decoder.parameters()} == {torch.float32}
    features = model.network.encode(torch.rand(1, 3, 64, 64))
    assert {features.embedding.dtype, features.maps.dtype, *(each.dtype for each in features.high_res)} == {
        torch.float32
    }


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match="choose auto, float32 or bfloat16"):
        load_model("nano", "cpu", "float8")
