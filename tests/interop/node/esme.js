// node-smpp as ESME: binds, sends one message of each kind, prints what it hears as JSON lines.
// Arguments: port, system_id, password.
const smpp = require('smpp');
const [port, systemId, password] = process.argv.slice(2);
const tell = (event) => console.log(JSON.stringify(event));
const session = smpp.connect({ url: `smpp://127.0.0.1:${port}`, auto_enquire_link_period: 10000 });
const address = {
  source_addr_ton: 5, source_addr: 'ACME', dest_addr_ton: 1, dest_addr_npi: 1,
  destination_addr: '37120000001', registered_delivery: 1,
};

session.on('error', (error) => tell({ event: 'error', message: error.message }));
session.on('close', () => process.exit(0));
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  tell({
    event: 'receipt', esm_class: pdu.esm_class, message_state: pdu.message_state,
    id: pdu.receipted_message_id, text: pdu.short_message.message.toString(),
  });
  session.unbind();
});
session.on('unbind_resp', () => session.close());
session.on('connect', () => {
  session.bind_transceiver({ system_id: systemId, password }, (bound) => {
    tell({ event: 'bound', status: bound.command_status, system_id: bound.system_id });
    const contents = [
      { short_message: 'plain € text' },
      { short_message: 'Привет 😀' },
      { message_payload: 'long '.repeat(100) },
      { data_coding: 4, short_message: Buffer.from([0, 1, 2, 255]) },
    ];
    for (const content of contents) {
      session.submit_sm({ ...address, ...content }, (sent) => {
        tell({ event: 'sent', status: sent.command_status, id: sent.message_id });
      });
    }
  });
});
