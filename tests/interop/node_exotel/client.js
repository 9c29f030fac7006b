// node client.js PORT ID TOKEN: sends a message, asks for its details, then sends a bad one.
// Tells what the package gave back as JSON lines.
const port = process.argv[2];
const real = require('request');

// The package knows one host only; a customer who moves changes exactly this.
const here = (url) => url.replace('https://', 'http://').replace('twilix.exotel.in', `127.0.0.1:${port}`);
const request = {
  post: (url, options, callback) => real.post(here(url), options, callback),
  get: (url, callback) => real.get(here(url), callback),
};
require.cache[require.resolve('request')].exports = request;

const exotel = require('exotel')({ id: process.argv[3], token: process.argv[4] });
const tell = (event, error, message) =>
  console.log(JSON.stringify({ event, error: error ? error.message : null, message: message || null }));

exotel.sendSMS('+919876543210', 'one\ntwo & <three>', 'https://example.com/dlr', (error, sent) => {
  tell('sent', error, sent);
  exotel.checkSMS(sent.Sid, (error, details) => {
    tell('details', error, details);
    exotel.sendSMS('', 'text', (error, message) => tell('refused', error, message));
  });
});
