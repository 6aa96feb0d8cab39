// Reads files of deploy/kubernetes (YAML) and prints all objects in them as JSON,
// if Kubernetes would take them. The values of a chart that makes runner pods
// stand for such a pod.
const fs = require("fs");
const YAML = require("yaml");

// Not Kubernetes's but kubectl's own, which has no schema among its types.
const KUSTOMIZATION = ["resources", "configMapGenerator", "secretGenerator", "generatorOptions"];

// The schema of Kubernetes lets unknown keys pass; here, one that no validator
// ever reads is an error.
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  const inner = Array.isArray(value) ? [] : {};
  for (const key of Object.keys(value)) {
    const where = `${path}/${key}`;
    unread.add(where);
    inner[key] = watched(value[key], where, unread);
  }
  return new Proxy(inner, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return target[key];
    },
  });
}

function check(object, file) {
  const { [object.kind]: Kind } = require(`kubernetes-models/${object.apiVersion}/${object.kind}`);
  new Kind(object).validate();
  const unread = new Set();
  Kind.prototype.validate.call(watched(object, "", unread));
  if (unread.size) throw new Error(`${file}: Kubernetes knows nothing of ${[...unread].join(", ")}`);
}

function* objects(file) {
  // Helm and kubectl read YAML 1.1, where 0440 is octal
  const text = fs.readFileSync(file, "utf8");
  for (const document of YAML.parseAllDocuments(text, { version: "1.1" })) {
    if (document.errors.length) throw document.errors[0];
    const object = document.toJS();
    if (object.template) {
      const metadata = { name: "runner", ...object.template.metadata };
      yield { apiVersion: "v1", kind: "Pod", metadata, spec: object.template.spec };
    } else if (file.endsWith("kustomization.yaml")) {
      const other = Object.keys(object).find((key) => !KUSTOMIZATION.includes(key));
      if (other) throw new Error(`${file}: kubectl knows nothing of ${other}`);
      yield { kind: "Kustomization", ...object };
    } else {
      yield object;
    }
  }
}

const found = process.argv.slice(2).flatMap((file) =>
  [...objects(file)].map((object) => {
    if (object.kind !== "Kustomization") check(object, file);
    return object;
  })
);
console.log(JSON.stringify(found));
