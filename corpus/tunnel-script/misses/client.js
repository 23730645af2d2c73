const net = require('net');
const socket = net.connect(1080, 'proxy.example');
socket.write(Buffer.from([5, 1, 0]));
socket.once('data', answer => {
  if (answer[0] === 5) socket.write(Buffer.from([5, 1, 0, 1, 192, 0, 2, 1, 0, 80]));
});
// CONNECT is the other way.
