// A bare Node HTTP server: reads the JSON it is sent and answers JSON, as the function of the bench does.
import http from 'node:http';
http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const event = JSON.parse(Buffer.concat(pieces).toString());
    const body = JSON.stringify({ disposition: 'CONTINUE', id: event.Records[0].ses.mail.messageId });
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
