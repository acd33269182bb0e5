"""Parts of networks as dicts of arrays: what ``pretrained=`` takes and gives."""

import numpy as np

from ._arrays import to_arrays, to_tensors


def load_part(module, weights, part):
    """Load the arrays named ``part.…``; a clear error where they do not fit."""
    state = {name.removeprefix(part + "."): value for name, value in weights.items() if name.startswith(part + ".")}
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    seen = {name: np.shape(value) for name, value in state.items()}
    if seen != wanted:
        different = sorted(name for name in wanted.keys() | seen.keys() if wanted.get(name) != seen.get(name))
        raise ValueError(
            f"pretrained does not fit: {part}.{different[0]} has shape {seen.get(different[0])}, wanted is "
            f"{wanted.get(different[0])} ({len(different)} arrays differ). The sizes, norm, the number of leads and of "
            "side features and, where the network depends on it, the length must be those of the pre-training."
        )
    broken = [name for name, value in state.items() if not np.isfinite(np.asarray(value)).all()]
    if broken:
        raise ValueError(f"pretrained must be finite, but {part}.{broken[0]} has NaN or infinite values.")
    module.load_state_dict(to_tensors({name: np.asarray(value) for name, value in state.items()}))


def named_arrays(part, module):
    """Weights of a module under the names ``part.…``."""
    return {f"{part}.{name}": value for name, value in to_arrays(module.state_dict()).items()}
