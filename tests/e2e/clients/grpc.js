// Calls of gRPC through one of BuildKit's tunnels, as they are told to it.
//
// usage: grpc.js SOCKET PATH (or "-": HTTP/2 at once), with JSON on standard input: {"headers": {...},
// "calls": [{"path": "/...", "frames": ["<hex>", ...], "headers": {...},
// "wait": ms}]}. The frames of a call are sent as they are, one after another,
// then its half is closed; it ends with the reply, or after "wait". Prints what
// came of each: {"status", "grpc", "message", "data": "<hex>"}.
'use strict'
const fs = require('fs')
const http2 = require('http2')
const net = require('net')
const {Duplex} = require('stream')

const WAIT = 20000
const [socketPath, target] = process.argv.slice(2)
const input = JSON.parse(fs.readFileSync(0, 'utf8'))

function open() {
  if (target === '-') return Promise.resolve(net.connect(socketPath))
  return new Promise((resolve, reject) => {
    const socket = net.connect(socketPath)
    const heads = Object.entries(input.headers || {})
      .map(([k, v]) => `${k}: ${v}\r\n`).join('')
    let got = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
    socket.on('data', function more(data) {
      got = Buffer.concat([got, data])
      const end = got.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!got.toString('latin1').startsWith('HTTP/1.1 101')) {
        reject(new Error(got.toString()))
        return
      }
      // what came behind the head is read here already: a session of http2 on
      // the socket itself would miss it
      socket.removeAllListeners()
      const rest = new Duplex({
        read() {},
        write(data, encoding, next) { socket.write(data, encoding, next) },
        final(next) { socket.end(next) },
      })
      socket.on('error', () => rest.destroy())
      socket.on('data', (more) => rest.push(more))
      socket.on('end', () => rest.push(null))
      if (got.length > end + 4) rest.push(got.subarray(end + 4))
      resolve(rest)
    })
    socket.write(`POST ${target} HTTP/1.1\r\nHost: docker\r\n` +
      `Connection: Upgrade\r\nUpgrade: h2c\r\n${heads}\r\n`)
  })
}

function call(session, one) {
  return new Promise((resolve) => {
    const result = {status: 0, grpc: '', message: '', data: ''}
    const done = (why) => {
      if (why) result.why = why
      clearTimeout(timer)
      resolve(result)
    }
    const timer = setTimeout(() => done('waited'), one.wait || WAIT)
    let stream
    try {
      stream = session.request({
        ':method': 'POST', ':path': one.path, ':scheme': 'http',
        ':authority': 'localhost', 'content-type': 'application/grpc',
        te: 'trailers', ...(one.headers || {})})
    } catch (why) {
      done(String(why))
      return
    }
    const note = (heads) => {
      result.grpc = heads['grpc-status'] || result.grpc
      result.message = decodeURIComponent(heads['grpc-message'] || '') ||
        result.message
    }
    stream.on('response', (heads) => {
      result.status = heads[':status']
      note(heads)
    })
    stream.on('trailers', note)
    stream.on('data', (data) => {
      if (result.data.length < 1 << 20) result.data += data.toString('hex')
    })
    stream.on('error', (why) => { result.why = String(why.code || why) })
    stream.on('close', () => done())
    for (const frame of one.frames || []) stream.write(Buffer.from(frame, 'hex'))
    if (!one.open) stream.end()
  })
}

open().then(async (socket) => {
  const session = http2.connect('http://localhost',
    {createConnection: () => socket})
  session.on('error', () => {})
  const results = []
  for (const one of input.calls) results.push(await call(session, one))
  process.stdout.write(JSON.stringify(results), () => process.exit(0))
}, (why) => {
  console.log(JSON.stringify({refused: why.message}))
  process.exit(0)
})
