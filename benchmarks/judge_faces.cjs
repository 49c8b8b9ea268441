// A judge that has no part in ageing: face detection, age, gender and identity by @vladmandic/face-api.
//
//   npm install @vladmandic/face-api @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
//   node judge_faces.cjs FOLDER OUT.json
//
// Reads FOLDER/NAME.rgb (512 x 512 x 3 bytes, from embedded_quality.py). OUT.json maps NAME to
// {age, gender, score, e: 128 numbers}, or to {} where no face is found; names in it are not read again.
const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');

const SIDE = 512;
const NETWORKS = ['ssdMobilenetv1', 'faceLandmark68Net', 'ageGenderNet', 'faceRecognitionNet'];

async function judge(file) {
  const pixels = tf.tensor3d(new Uint8Array(fs.readFileSync(file)), [SIDE, SIDE, 3], 'int32');
  const options = new faceapi.SsdMobilenetv1Options({ minConfidence: 0.5 });
  const faces = await faceapi.detectAllFaces(pixels, options)
    .withFaceLandmarks().withFaceDescriptors().withAgeAndGender();
  pixels.dispose();
  if (!faces.length) return {};
  faces.sort((a, b) => b.detection.box.area - a.detection.box.area);
  const { age, gender, detection, descriptor } = faces[0];
  return { age, gender, score: detection.score, e: Array.from(descriptor) };
}

async function main([folder, out]) {
  wasm.setWasmPaths(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + '/');
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  const models = path.join(path.dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
  for (const name of NETWORKS) await faceapi.nets[name].loadFromDisk(models);
  const found = fs.existsSync(out) ? JSON.parse(fs.readFileSync(out)) : {};
  for (const file of fs.readdirSync(folder).filter((name) => name.endsWith('.rgb'))) {
    const name = path.basename(file, '.rgb');
    if (!found[name]) found[name] = await judge(path.join(folder, file));
  }
  fs.writeFileSync(out, JSON.stringify(found));
}

main(process.argv.slice(2));
