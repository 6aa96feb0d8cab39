// Reads the values of a chart that makes runner pods from a file (YAML) and
// prints the pod's template as JSON, if Kubernetes would take it.
const fs = require("fs");
const YAML = require("yaml");
const { Pod } = require("kubernetes-models/v1/Pod");

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

// Helm reads YAML 1.1, where 0440 is octal
const text = fs.readFileSync(process.argv[2], "utf8");
const { template } = YAML.parse(text, { version: "1.1" });
const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "runner" }, spec: template.spec };
new Pod(pod).validate();
const unread = new Set();
Pod.prototype.validate.call(watched(pod, "", unread));
if (unread.size) {
  console.error("Kubernetes knows nothing of " + [...unread].join(", "));
  process.exit(1);
}
console.log(JSON.stringify(template));
