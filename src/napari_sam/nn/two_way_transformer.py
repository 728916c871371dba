"""The two-way transformer of SAM's mask decoder: tokens attend to the image and the image to tokens."""

from torch import Tensor, nn

from napari_sam.nn.attention import Attention, ImageToTokenAttention, TokenToImageAttention
from napari_sam.nn.in_place import plus
from napari_sam.nn.mlp import MlpBlock
from napari_sam.nn.placed_image import PlacedImage


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, tokens to image, MLP, image to tokens (SAM, figure 14).

    Parameters
    ----------
    dim
        Features of a token and of an image position.
    heads
        Attention heads.
    mlp_dim
        Hidden features of the MLP.
    first
        The first block's self-attention has no positions and no residual.
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = TokenToImageAttention(dim, heads, downsample=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MlpBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = ImageToTokenAttention(dim, heads, downsample=2)

    def forward(self, tokens: Tensor, image: PlacedImage, token_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Update tokens and image.

        Parameters
        ----------
        tokens, token_pe
            (N, T, dim).
        image
            S cells.

        Returns
        -------
        tokens (N, T, dim) and image (N, S, dim).
        """
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_pe, image.placed, image.cells))
        tokens = self.norm3(tokens + self.mlp(tokens))
        update = self.cross_attn_image_to_token(image.placed, tokens + token_pe, tokens)
        return tokens, self.norm4(plus(update, image.cells))


class TwoWayTransformer(nn.Module):
    """A few two-way blocks and a last attention of the tokens to the image.

    Parameters
    ----------
    depth
        Number of blocks.
    dim, heads, mlp_dim
        As in `TwoWayBlock`.
    """

    def __init__(self, depth: int, dim: int, heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, heads, mlp_dim, first=i == 0) for i in range(depth))
        self.final_attn_token_to_image = TokenToImageAttention(dim, heads, downsample=2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, image: PlacedImage, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Let tokens and image read each other.

        Parameters
        ----------
        image
            S cells.
        tokens
            (N, T, dim).

        Returns
        -------
        tokens (N, T, dim) and image (N, S, dim).
        """
        token_pe = tokens
        for layer in self.layers:
            tokens, cells = layer(tokens, image, token_pe)
            image = PlacedImage.of(cells, image.positions, image.shape)
        read = self.final_attn_token_to_image(tokens + token_pe, image.placed, image.cells)
        return self.norm_final_attn(tokens + read), image.cells
