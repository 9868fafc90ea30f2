"""An activation as a torch function alone: its slope, and so its Gaussian moments, come from torch's autograd."""

from torch import Tensor

from initlab.activations.functions import activation


@activation("sine", formula="sin(x)", source="Sitzmann et al., arXiv 2006.09661", kinks=())
def sine(x: Tensor) -> Tensor:
    return x.sin()
