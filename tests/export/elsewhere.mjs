// node elsewhere.mjs PACKAGE MODEL FOLDER FACTS: tensors from files of the folder in, outputs to NAME.out there.
import fs from "node:fs";

const [, , name, model, folder, facts] = process.argv;
const ort = await import(name);
const feeds = {};
for (const { name, type, dims } of JSON.parse(facts)) {
  const bytes = new Uint8Array(fs.readFileSync(`${folder}/${name}`));
  feeds[name] = new ort.Tensor(type, type === "uint8" ? bytes : new Float32Array(bytes.buffer), dims);
}
const session = await ort.InferenceSession.create(fs.readFileSync(model));
for (const [name, { data }] of Object.entries(await session.run(feeds))) {
  fs.writeFileSync(`${folder}/${name}.out`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
