// node numbers.mjs SITE: what docs/live/lab.py computes in Pyodide, as JSON, without a browser.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const site = resolve(process.argv[2]);
const { loadPyodide } = await import(pathToFileURL(join(site, "runtime", "pyodide.mjs")));
const python = await loadPyodide({ indexURL: join(site, "runtime") + "/" });
await python.loadPackage("numpy", { messageCallback: () => {} });
python.unpackArchive(new Uint8Array(readFileSync(join(site, "autograd_cnn.zip"))), "zip");
for (const name of ["lab.py", "weights.npz"]) python.FS.writeFile(name, new Uint8Array(readFileSync(join(site, name))));
console.log(python.runPython(`
import json, sys
sys.path.insert(0, ".")
import numpy as np
import lab

the_lab = lab.Lab("weights.npz")
image = lab.prepared(np.array(the_lab.example(7)["image"], np.uint8))
the_lab.begin("one_convolution", 0.05)
losses = []
while len(losses) < 60:
    losses += the_lab.train(0.0)["losses"]
json.dumps({
    "look": the_lab.look(image),
    "story": the_lab.story(image, 0, 3, 10, 12),
    "losses": losses,
    "accuracy": the_lab.accuracy(),
})
`));
