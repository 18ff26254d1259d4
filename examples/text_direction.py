"""Which way up is a line of text? A trained network answers, with fastconv as its only convolution engine.

    python examples/text_direction.py [folder]

The network is PaddleOCR's text direction classifier, ch_ppocr_mobile_v2.0_cls: 53 convolutions, as its authors trained
them and as the rapidocr packages ship them. It is shown the lines of a photographed page, which comes with
scikit-image, upright and turned by 180 degrees.

The model's graph is run node by node. A convolution becomes a `fastconv.Conv`: packed once, with the normalisation,
the bias and the relu behind it built in. Every other operator is a line or two of NumPy. The results of all layers are
compared with ONNX Runtime's before anything is timed. The picture goes to `folder`, text-direction-output unless given.
"""
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial, reduce
from importlib.metadata import PackageNotFoundError, files
from math import ceil, inf
from operator import add, mul, truediv
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import skimage.data
from numpy.lib.stride_tricks import sliding_window_view
from onnx import helper, numpy_helper
from skimage.transform import resize

import fastconv

LINES = [np.s_[9:36, 3:296], np.s_[48:66, 3:378], np.s_[67:83, 3:378], np.s_[83:103, 3:378], np.s_[101:119, 3:378],
         np.s_[117:139, 3:174]]                                  # rows and columns of the page
ANSWERS = "upright", "turned by 180°"                            # what the network's two results stand for
HEIGHT, WIDTH = 48, 192                                          # of the pictures that it takes
TOLERANCE = 1e-5                                                 # of a layer's largest value, or of 1 if that is less
COLORS = "#2a78d6", "#eb6834"                                    # of the two answers
OURS, THEIRS, LAYOUT, REST = "#1f3b5c", "#9aa8b8", "#f3c969", "#e3e8ee"    # of the times


# ---------------------------------------------------------------- ONNX's operators in NumPy, as far as needed here

def in_pairs(pads):
    """ONNX gives all the starts, then all the ends; fastconv and NumPy (start, end), axis by axis."""
    return tuple(zip(pads[:len(pads) // 2], pads[len(pads) // 2:], strict=True))


def softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def max_pool(x, kernel_shape, strides=(1, 1), pads=(0, 0, 0, 0), ceil_mode=0):
    assert not ceil_mode, "windows that reach beyond the end are not expected"
    x = np.pad(x, ((0, 0), (0, 0), *in_pairs(pads)), constant_values=-inf)
    windows = sliding_window_view(x, kernel_shape, axis=(2, 3))[:, :, ::strides[0], ::strides[1]]
    return reduce(np.maximum, [windows[..., row, column] for row, column in np.ndindex(*kernel_shape)])


def cut(x, starts, ends, axes, steps):
    where = [slice(None)] * x.ndim
    for axis, *bounds in zip(axes, starts, ends, steps, strict=True):
        where[axis] = slice(*bounds)
    return x[tuple(where)]


OPERATORS = {
    "Add": add,
    "Cast": lambda x, to: x.astype(helper.tensor_dtype_to_np_dtype(to)),
    "Clip": np.clip,
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Constant": lambda value: numpy_helper.to_array(value),
    "Div": truediv,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdims=True),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: np.clip(x * alpha + beta, 0, 1),
    "Identity": lambda x: x,
    "MatMul": np.matmul,
    "MaxPool": max_pool,
    "Mul": mul,
    "Relu": lambda x: np.maximum(x, 0),
    "Reshape": np.reshape,
    "Shape": lambda x: np.array(x.shape),
    "Slice": cut,
    "Softmax": softmax,
}


# ---------------------------------------------------------------- the network

def attributes(node):
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


@dataclass
class Step:
    """results[result] = function(*(results[name] for name in sources)), the last reader of those in `over`."""
    sources: list
    result: str
    function: object = None
    over: list = field(default_factory=list)
    best: float = inf            # milliseconds, the shortest time so far


@dataclass(kw_only=True)
class Layer(Step):
    """A convolution and what is built into it."""
    name: str
    weight: np.ndarray
    bias: np.ndarray
    geometry: dict
    activation: str | None = None

    def takes(self, node, constants):
        """Builds the node in, which reads this layer and these constants, or says that it cannot."""
        if self.activation:
            return False
        if node.op_type == "BatchNormalization":
            scale, shift, mean, variance = constants
            gain = scale / np.sqrt(variance + attributes(node)["epsilon"], dtype=float)
            self.weight, self.bias = self.weight * gain[:, None, None, None], (self.bias - mean) * gain + shift
        elif node.op_type == "Add" and constants[0].shape == (1, len(self.weight), 1, 1):
            self.bias = self.bias + constants[0].ravel()
        elif node.op_type == "Relu":
            self.activation = "relu"
        else:
            return False
        self.result = node.output[0]
        return True

    def pack(self):
        self.weight, self.bias = self.weight.astype(np.float32), self.bias.astype(np.float32)
        stride, padding = tuple(self.geometry["strides"]), in_pairs(self.geometry["pads"])
        dilation, groups = tuple(self.geometry["dilations"]), self.geometry["group"]
        self.function = fastconv.Conv(self.weight, self.bias, stride, padding, dilation, groups,
                                      activation=self.activation)


class Network:
    """An ONNX model whose convolutions are fastconv's and all the rest NumPy's."""

    def __init__(self, model):
        graph = model.graph
        self.source, self.result = graph.input[0].name, graph.output[0].name
        self.constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self.steps = []
        readers = Counter(name for node in graph.node for name in node.input)
        for node in graph.node:
            self.append(node, readers)
        self.layers = [step for step in self.steps if isinstance(step, Layer)]
        for layer in self.layers:
            layer.pack()
        self.plan_memory()

    def append(self, node, readers):
        """The node as a step, or as part of the layer that it reads, or as a constant if it reads nothing else."""
        known = [self.constants[name] for name in node.input if name in self.constants]
        unknown = [name for name in node.input if name not in self.constants]
        if node.op_type == "Conv":
            self.steps.append(self.layer(node, *known))
        elif not unknown:
            self.constants[node.output[0]] = OPERATORS[node.op_type](*known, **attributes(node))
        elif not self.built_in(node, unknown[0], known, readers):
            function = partial(OPERATORS[node.op_type], **attributes(node))
            self.steps.append(Step(list(node.input), node.output[0], function))

    def built_in(self, node, source, constants, readers):
        """Whether the node is part of a layer now: the one before it, if nothing else reads that."""
        layer = next((step for step in self.steps if step.result == source), None)
        return isinstance(layer, Layer) and readers[source] == 1 and layer.takes(node, constants)

    @staticmethod
    def layer(node, weight, bias=0):
        """What is built in is computed in double precision, and rounded once."""
        name = node.input[1].removesuffix("_weights")
        bias = np.zeros(len(weight)) + bias
        return Layer([node.input[0]], node.output[0], name=name, weight=weight.astype(float), bias=bias,
                     geometry=attributes(node))

    def plan_memory(self):
        """Finds the last reader of each result, so that the memory is free for the results to come."""
        self.constants = {name: self.constants[name] for step in self.steps for name in step.sources
                          if name in self.constants}
        needed = {self.result, *self.constants}
        for step in reversed(self.steps):
            step.over = list(set(step.sources) - needed)
            needed.update(step.sources)

    def run(self, x, keep=False):
        """The result for x, or a dict with those of all steps."""
        results = {**self.constants, self.source: x}
        for step in self.steps:
            start = perf_counter()
            results[step.result] = step.function(*[results[name] for name in step.sources])
            step.best = min(step.best, 1000 * (perf_counter() - start))
            if not keep:
                for name in step.over:
                    del results[name]
        return results if keep else results[self.result]


# ---------------------------------------------------------------- ONNX Runtime beside fastconv

def session(model, profile=""):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling, options.profile_file_prefix = bool(profile), str(profile)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def exposed(model, names):
    """The model, with the results of these names after its own."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return copy


def check(network, model, x):
    """All results by name, once the network's and its layers' are ONNX Runtime's, and the largest difference."""
    results = network.run(x, keep=True)
    names = [layer.result for layer in network.layers]
    worst = 0
    theirs = session(exposed(model, names)).run(None, {network.source: x})
    for name, expected in zip([network.result, *names], theirs, strict=True):
        assert results[name].shape == expected.shape, name
        error = np.abs(results[name] - expected).max() / max(1, np.abs(expected).max())
        assert error <= TOLERANCE, f"{name}: fastconv and ONNX Runtime differ by {error:.1e}"
        worst = max(worst, error)
    return results, worst


def milliseconds(*jobs, seconds):
    """The best of many runs of each job. They take turns, so that they have the machine's moods in common."""
    best = [inf] * len(jobs)
    end = perf_counter() + seconds
    while perf_counter() < end:
        for i, job in enumerate(jobs):
            start = perf_counter()
            job()
            best[i] = min(best[i], 1000 * (perf_counter() - start))
    return best


def race(network, model, x):
    """Milliseconds of the network, by fastconv and NumPy and by ONNX Runtime, and of ONNX Runtime's own parts."""
    with TemporaryDirectory() as folder:
        theirs, watched = session(model), session(model, Path(folder, "profile"))
        feed = {network.source: x}
        ours, other, _ = milliseconds(partial(network.run, x), partial(theirs.run, None, feed),
                                      partial(watched.run, None, feed), seconds=5)
        return (ours, other), *parts(json.loads(Path(watched.end_profiling()).read_text()), len(network.layers))


def parts(events, count):
    """Milliseconds of each convolution and of all the changes of layout around them, as ONNX Runtime notes them.

    A convolution of this network needs the one before it, so they run in the order of the graph. What ONNX Runtime
    builds into one is in its time, and so are the few microseconds that the notes take. Ours hold the call from Python.
    """
    runs = [[event for event in events if event["name"].endswith("_kernel_time") and event["args"]["op_name"] in names]
            for names in (("Conv", "FusedConv"), ("ReorderInput", "ReorderOutput"))]
    convolutions, layouts = ([event["dur"] / 1000 for event in run] for run in runs)
    convolutions = np.reshape(convolutions, (-1, count))
    layouts = np.reshape(layouts, (len(convolutions), -1))
    return convolutions.min(0), layouts.min(0).sum()


def report(chances):
    """What the network says of the lines, of which each second one is turned."""
    for i, (name, chance) in enumerate(zip(ANSWERS * (len(chances) // 2), chances, strict=True)):
        if i % 2 == 0:
            print(f"line {i // 2 + 1}:", end="")
        print(f"    {name}, says {ANSWERS[chance.argmax()]} ({chance.max():.1%})", end="\n" if i % 2 else "")
    assert (chances.argmax(1) == np.arange(len(chances)) % 2).all(), "the network takes a line the wrong way round"


def by(numbers):
    return " x ".join(map(str, numbers))


def table(layers, results, times):
    """Prints the layers, with the time of fastconv and of ONNX Runtime."""
    print(f"{'layer':<17}{'input':>15}{'weight':>18}{'stride':>8}{'groups':>8}{'MFLOP':>8}{'GFLOP/s':>9}"
          f"{'fastconv':>10}{'ONNX Runtime':>14}{'faster':>9}")
    for layer, (ours, theirs) in zip(layers, times, strict=True):
        shape, work = results[layer.sources[0]].shape[1:], 2e-6 * results[layer.result].size * layer.weight[0].size
        print(f"{layer.name:<17}{by(shape):>15}{by(layer.weight.shape):>18}{by(layer.geometry['strides']):>8}"
              f"{layer.geometry['group']:>8}{work:>8.2f}{work / ours:>9.1f}{row(ours, theirs)}")


def row(ours, theirs):
    return f"{ours:>10.3f}{theirs:>14.3f}{theirs / ours:>7.2f} x"


# ---------------------------------------------------------------- the pictures it takes, and one that it gives

def model_file():
    """Where an installed package has it; nothing of the package is imported."""
    for package in "rapidocr-onnxruntime", "rapidocr":
        try:
            return next(file.locate() for file in files(package) if file.match("ch_ppocr_mobile_v2.0_cls*.onnx"))
        except (PackageNotFoundError, StopIteration):
            continue
    raise SystemExit("This needs a package that ships the network: pip install rapidocr-onnxruntime (or rapidocr).")


def prepare(line):
    """As the network was trained: 48 rows, up to 192 columns, from -1 to 1, what is not used 0.

    The channels are blue, green and red. All three are the grey of the page.
    """
    height, width = line.shape
    columns = min(WIDTH, ceil(HEIGHT * width / height))
    gray = resize(line / 255, (HEIGHT, columns), order=1, mode="edge", anti_aliasing=False)
    x = np.zeros((3, HEIGHT, WIDTH), np.float32)
    x[..., :columns] = (gray - 0.5) / 0.5
    return x


def show_line(axes, line, chances):
    """A line of the page and, beneath it, how sure the network is of either answer."""
    height, width = line.shape
    axes.imshow(line, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    axes.set(xlim=(0, 376), ylim=(40, 0))
    axes.axis("off")
    ends = width * np.array([0, *chances]).cumsum()
    for left, right, color in zip(ends, ends[1:], COLORS, strict=False):
        axes.add_patch(plt.Rectangle((left, height + 2), right - left, 8, color=color, lw=0))
    best = chances.argmax()
    axes.text(width / 2, height + 6.4, f"{ANSWERS[best]}: {chances[best]:.1%}", color="w", ha="center", va="center")


def show_layers(axes, layers, times, pictures):
    at = np.arange(len(layers))
    axes.bar(at - 0.2, times[:, 0], 0.4, color=OURS, label="fastconv")
    axes.bar(at + 0.2, times[:, 1], 0.4, color=THEIRS, label="ONNX Runtime")
    axes.set_xticks(at, [layer.name for layer in layers], rotation=90, fontsize=8)
    axes.set_title(f"Milliseconds for each convolution, {pictures} pictures, one thread", loc="left", fontsize=15)
    axes.margins(x=0.01)
    axes.legend(frameon=False)


def show_total(axes, pieces):
    """What the time of the network is made of, piled up."""
    names, bottom = ("fastconv\nand NumPy", "ONNX\nRuntime"), np.zeros(2)
    for (what, height), color in zip(pieces.items(), ((OURS, THEIRS), LAYOUT, REST), strict=True):
        axes.bar(names, height, bottom=bottom, color=color, label="" if what == "convolutions" else what)
        bottom = bottom + height
    axes.set_ylim(0, 1.3 * bottom.max())
    axes.set_title("for the network", loc="left", fontsize=15)
    axes.legend(frameon=False, reverse=True)


def compose(lines, chances, layers, times, pieces):
    """The whole story on one page."""
    figure = plt.figure(figsize=(16, 12), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(7, 5))
    for axes, line, chance in zip(above.subplots(len(lines) // 2, 2).flat, lines, chances, strict=True):
        show_line(axes, line, chance)
    above.suptitle("Lines of a photographed page, upright and turned by 180°, and what the network says of them",
                   x=0.01, ha="left", fontsize=17)
    each, total = below.subplots(1, 2, width_ratios=(5, 1))
    show_layers(each, layers, times, len(lines))
    show_total(total, pieces)
    for axes in each, total:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


# ---------------------------------------------------------------- the job

def main(folder):
    model = onnx.load(model_file())
    network = Network(model)
    page = skimage.data.page()
    lines = [picture for line in LINES for picture in (page[line], np.rot90(page[line], 2))]
    x = np.stack([prepare(line) for line in lines])

    with fastconv.set_workers(1):
        results, worst = check(network, model, x)
        print(f"The results of {len(network.layers)} layers and of the network are those of ONNX Runtime. "
              f"Largest difference: {worst:.0e}.\n")
        report(results[network.result])
        whole, theirs, layouts = race(network, model, x)

    times = np.transpose([[layer.best for layer in network.layers], theirs])
    convolutions = times.sum(0)
    pieces = {"convolutions": convolutions, "changes of layout": np.array([0, layouts])}
    pieces["the rest"] = whole - sum(pieces.values())
    print(f"\n{len(lines)} pictures at once. Milliseconds within the network, best of many, one thread:\n")
    table(network.layers, results, times)
    print(f"{'all convolutions':<83}{row(*convolutions)}")
    print(f"{'the network, by fastconv and NumPy, and by ONNX Runtime':<83}{row(*whole)}")

    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "text-direction.png"
    compose(lines, results[network.result], network.layers, times, pieces).savefig(picture, dpi=100)
    print(f"\nPicture: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "text-direction-output"))
