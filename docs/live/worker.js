// Python in a thread of its own, so that the page stays responsive.  A message is {id, call, args}: a method of `lab.Lab` and its
// arguments.  The answer is {id, value} or {id, error}.
import { loadPyodide } from "./runtime/pyodide.mjs";

let run, lab;
const say = (step, text) => postMessage({ loading: step, text });

async function file(name) {
  const found = await fetch(name);
  if (!found.ok) throw new Error(`${name} is missing (${found.status}); build the page with docs/live/assemble.py`);
  return new Uint8Array(await found.arrayBuffer());
}

async function load() {
  say(0, "Python");
  const python = await loadPyodide({ indexURL: new URL("./runtime/", import.meta.url).href });
  say(1, "NumPy");
  await python.loadPackage("numpy", { messageCallback: () => {} });
  say(2, "autograd_cnn");
  python.unpackArchive(await file("autograd_cnn.zip"), "zip");
  for (const name of ["lab.py", "weights.npz"]) python.FS.writeFile(name, await file(name));
  say(3, "the network");
  await python.runPythonAsync(`
import json, sys
sys.path.insert(0, ".")
import numpy as np
import lab

the_lab = lab.Lab("weights.npz")
the_image = np.zeros((28, 28), np.float32)


def draw(pixels, size):
    global the_image
    the_image = lab.prepared(np.frombuffer(pixels.to_py(), np.uint8).reshape(size, size))


def run(name, arguments):
    """Call a method; the image that was drawn last is given to those that take one."""
    method = getattr(the_lab, name)
    takes_image = "image" in method.__code__.co_varnames[: method.__code__.co_argcount]
    given = json.loads(arguments)
    return json.dumps(method(the_image, *given) if takes_image else method(*given))
`);
  lab = python.globals.get("draw");
  run = python.globals.get("run");
  say(4, "");
  postMessage({ ready: true });
}

const loaded = load().catch(error => postMessage({ failed: String(error.message || error) }));

onmessage = async ({ data }) => {
  await loaded;
  try {
    if (data.pixels) lab(data.pixels, data.size);
    postMessage({ id: data.id, value: JSON.parse(run(data.call, JSON.stringify(data.args))) });
  } catch (error) {
    const lines = String(error.message || error).trim().split("\n");
    postMessage({ id: data.id, error: lines[lines.length - 1] });
  }
};
