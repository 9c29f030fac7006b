// node-smpp as SMSC: answers everything, sends one receipt per message, prints what it hears.
const smpp = require('smpp');
const tell = (event) => console.log(JSON.stringify(event));
let taken = 0;

const server = smpp.createServer((session) => {
  session.on('error', (error) => tell({ event: 'error', message: error.message }));
  session.on('bind_transceiver', (pdu) => {
    tell({ event: 'bound', system_id: pdu.system_id, password: pdu.password });
    session.send(pdu.response());
  });
  session.on('submit_sm', (pdu) => {
    taken += 1;
    const id = `node-${taken}`;
    tell({
      event: 'submit', from: pdu.source_addr, to: pdu.destination_addr,
      text: pdu.short_message.message, udh: (pdu.short_message.udh || []).map((e) => [...e]),
    });
    session.send(pdu.response({ message_id: id }));
    session.deliver_sm({
      source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2609211200 done date:2609211201 stat:DELIVRD err:000 text:`,
    }, (answer) => tell({ event: 'taken', status: answer.command_status }));
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
  });
});
server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume();
