// What the parts of a program show, each in a file of its own.
'use strict';
const fs = require('fs');

let shown = '';
exports.show = (...things) => {
  for (const x of things) shown += JSON.stringify(x, null, 1) + '\n';
};

// The error that CALL ends with.
exports.fails = async (call) => {
  try {
    exports.show(['no error', await call()]);
  } catch (e) {
    exports.show([e.statusCode || 0, e.message]);
  }
};

exports.play = async (parts) => {
  for (const [name, part] of Object.entries(parts)) {
    shown = '';
    try {
      await part();
    } catch (e) {
      exports.show(['broke off', String(e)]);
    }
    fs.writeFileSync(name, shown);
  }
  process.exit(0);
};
