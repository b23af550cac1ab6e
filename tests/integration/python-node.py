#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CH's node is the one of tests/python, written from the specification alone; DE and IT run the exchange's own.

Messages, reports and refusals go both ways, and each side accepts exactly what the specification says: ENV-2..7, BAT-1..4,
SEAL-1..3, CON-1..3, DIR-1..4, DIR-8, DIR-9, KEY-1..4, TRA-1, LINK-1..11, REP-1..6, FEED-1..4, NODE-3..6, NODE-9, LOG-1, LOG-5.

usage: python-node.py SOURCE BUILD
"""
import os
import pathlib
import sys
import time
import uuid

SOURCE, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / 'tests/python'))

from tmxspec import batch, body, ed25519, export, merkle  # noqa: E402
from tmxspec.canonical import Malformed, audit, directory as directory_pb, envelope, link, pack, parse  # noqa: E402
from tmxspec.digest import blake2b  # noqa: E402
from tmxspec.directory import Authority, Directory  # noqa: E402
from tmxspec.log import Distrust, Log  # noqa: E402
from tmxspec.session import Ended  # noqa: E402
from world import World  # noqa: E402

DE, IT, TYPE, MRN = b'DE', b'IT', b'CD974C', b'26DE004051K7M2P8J8'
REPLACED = bytes.fromhex('01950000000070008000000000000001')
COA, TAKEN, REFUSED, EXCEPTION = envelope.OUTCOME_COA, envelope.OUTCOME_COD_POSITIVE, envelope.OUTCOME_COD_NEGATIVE, envelope.OUTCOME_COE


def refused(kind, what, action, *arguments):
    """The action has to fail; or else this test would find nothing."""
    try:
        action(*arguments)
    except kind:
        return
    raise AssertionError(f'{what} was taken')


def submit(node, to, payload, **options):
    return node.outbox.submit(*node.outbox.compose(to, TYPE, payload, **options))


def first_session(world):
    node = world.node
    welcome = node.connect()
    assert getattr(welcome.head, 'from') == 0 and node.log.size >= 1 and welcome.directory_serial == node.directory.serial
    node.publish()
    node.until(lambda: b'CH' in node.prekeys.sets, 10, 'its own prekeys in the feed')
    world.start_nodes()
    node.until(lambda: {DE, IT} <= set(node.prekeys.sets), 20, 'the prekeys of DE and IT')
    kinds = [entry.kind for _, entry in node.feed]
    assert kinds[:2] == [audit.ENTRY_SHARD_START, audit.ENTRY_DIRECTORY], kinds


def directory_is_judged(world):
    node = world.node
    bent = bytearray(node.directory.data)
    bent[40] ^= 1
    refused(Malformed, 'a bent directory', Directory, bytes(bent), node.directory.authority)
    stranger = Authority(1, [('tmx.demo/authority/1', ed25519.public_bytes(ed25519.new_key()))])
    refused(Malformed, 'a directory of a strange authority', Directory, node.directory.data, stranger)


def message_to_two(world):
    """One container, two slots; a movement; zstd; both applications get the bytes; every step is proved."""
    node, payload = world.node, b'<CD974C>' + b'a movement of many words ' * 400 + b'</CD974C>'
    sent = submit(node, [DE, IT], payload, compress=True, mrn=MRN, lrn=b'LRN-1', media_type=b'application/xml')
    node.until(lambda: {(DE, COA), (IT, COA)} <= set(sent.reports), 10, 'CoA of DE and IT')
    for member in ('DE', 'IT'):
        shown, got = world.collect(member, sent.header.message_id, '--ack')
        assert got == payload and (shown['from'], shown['mrn'], shown['lrn']) == ('CH', MRN.decode(), 'LRN-1'), shown
    node.until(lambda: {(DE, TAKEN), (IT, TAKEN)} <= set(sent.reports), 10, 'CoD of DE and IT')
    assert sent.acceptance.index > 0 and sent.reports[DE, TAKEN].acceptance == sent.acceptance


def movement_in_order(world):
    """`prev` names the message before; of two sizes, one in chunks that the broker asks for."""
    node, payload = world.node, os.urandom(700000)
    large = submit(node, DE, payload, mrn=MRN)
    small = submit(node, DE, b'after it', mrn=MRN)
    assert small.header.recipients[0].prev == large.header.recipients[0].seq > large.header.recipients[0].prev == 1
    node.until(lambda: (DE, COA) in large.reports and (DE, COA) in small.reports, 10, 'two CoA')
    assert world.collect('DE', large.header.message_id, '--ack')[1] == payload
    node.until(lambda: (DE, TAKEN) in large.reports, 10, 'CoD of the large one')
    assert world.collect('DE', small.header.message_id, '--ack')[1] == b'after it'


def refusal_with_reason(world):
    """The reason of a negative CoD is for the sender alone, both ways."""
    node = world.node
    sent = submit(node, DE, b'not welcome')
    node.until(lambda: (DE, COA) in sent.reports, 10, 'CoA')
    shown, _ = world.collect('DE', sent.header.message_id)
    world.tmx('DE', 'refuse', shown['id'], shown['token'], '--reason', 'kein Amt von uns')
    node.until(lambda: DE in sent.reasons, 10, 'a reason')
    assert sent.reasons[DE] == b'kein Amt von uns' and sent.reports[DE, REFUSED].code == 601
    world.send('DE', 'unwanted', b'not welcome either', '--type', 'CD974C')
    node.until(node.inbox.offered, 10, 'a message of DE')
    node.inbox.refuse(node.inbox.offered()[0], 'pas à nous'.encode())
    step = world.message('DE', 'unwanted', 'refused')['steps'][-1]
    assert (step['code'], step['text'], step['verified']) == (601, 'pas à nous', True), step


def message_from(world):
    """A sample message, with everything its content says; CoA and CoD of this node count at DE."""
    node = world.node
    sample = next((SOURCE / 'deploy/samples').glob('02-CD050C-DE-CH.xml'))
    world.tmx('DE', 'send', '--reference', 'sample', sample)
    node.until(node.inbox.offered, 10, 'a sample of DE')
    received = node.inbox.offered()[0]
    assert received.payload == sample.read_bytes() and received.content.message_type == b'CD050C' and received.content.mrn
    assert len(received.header.movement_label) == 16 and received.header.sender == DE
    node.inbox.acknowledge(received)
    steps = world.message('DE', 'sample', 'delivered')['steps']
    assert [(s['what'], s['who']) for s in steps[-2:]] == [('CoA', 'CH'), ('CoD', 'CH')] and all(s['verified'] for s in steps[-3:])


def away(world):
    """Sent while CH was away; the new session goes on from its head and its feed. A lost report is made up for."""
    node, payloads = world.node, {os.urandom(600000), b'small'}
    size, had, feed = node.log.size, set(node.inbox.received), len(node.feed)
    node.disconnect()
    for i, payload in enumerate(sorted(payloads)):
        world.send('DE', f'away-{i}', payload, '--type', 'CD974C')
        world.message_accepted('DE', f'away-{i}')
    welcome = node.connect()
    assert getattr(welcome.head, 'from') == size < node.log.size, 'the head did not grow from the one this node knew'
    node.inbox.mute = True
    node.until(lambda: len(node.inbox.received) == len(had) + 2, 10, 'two messages')
    made = {i: pack(node.inbox.received[i].reports[COA]) for i in set(node.inbox.received) - had}
    node.connect()
    node.until(lambda: node.inbox.redeliveries >= 2, 10, 'both again, marked')
    node.inbox.mute = False
    node.connect()
    node.until(lambda: len(node.inbox.offered()) == 2, 10, 'two CoA in the log')
    assert {r.payload for r in node.inbox.offered()} == payloads
    assert all(pack(node.inbox.received[i].reports[COA]) == report for i, report in made.items()), 'a report was made twice'
    node.until(lambda: len(node.feed) >= feed + 2, 10, 'both CoA in their turn of the feed')
    indices = [index for index, _ in node.feed]
    assert indices == sorted(set(indices))


def batch_of_three(world):
    """A header and two reports under one signature (BAT-3)."""
    node = world.node
    first, second = node.inbox.offered()
    header, container = node.outbox.compose(DE, TYPE, b'with two reports')
    header.replaces = REPLACED
    bodies = [pack(header), node.inbox.make(first, TAKEN), node.inbox.make(second, TAKEN)]
    message, *reports = node.signer.sign(bodies)
    first.reports[TAKEN], second.reports[TAKEN] = reports
    sent = node.outbox.submit_signed(message, container)
    node.inbox.send(reports)
    node.until(lambda: TAKEN in first.logged and TAKEN in second.logged and sent.acceptance, 10, 'a batch of three')
    for i in range(2):
        world.message('DE', f'away-{i}', 'delivered')


def wrong_messages(world):
    """What the broker or DE must refuse, by the code the specification says; the numbers go on."""
    node = world.node
    header, container = node.outbox.compose(DE, TYPE, b'x')
    container = container[:64] + bytes(8) + container[72:]
    header.container_digest = blake2b(container)
    slot = node.outbox.submit(header, container)
    node.until(lambda: slot.refusal, 10, 'a refusal of the slot')
    assert slot.refusal == (212, True), slot.refusal
    assert world.causes(uuid.UUID(bytes=bytes(header.message_id))) == ['refused'], 'why at the broker does not say that it was refused'

    counted = world.counters()['malformed']
    header, container = node.outbox.compose(DE, TYPE, b'signed by a stranger')
    forged = node.outbox.submit(header, container, batch.Signer(node.signer.name, ed25519.new_key()))
    good = node.outbox.submit(header, container)
    node.until(lambda: good.acceptance, 10, 'the same header with a good signature')
    assert forged.acceptance is None and world.counters()['malformed'] == counted + 1

    header, container = node.outbox.compose(DE, TYPE, b'x')
    header.container_digest = blake2b(b'another')
    other = node.outbox.submit(header, container)
    header, container = node.outbox.compose(DE, TYPE, b'x')
    container = container[:-1] + bytes([container[-1] ^ 1])
    header.container_digest = blake2b(container)
    bent = node.outbox.submit(header, container)
    lying = submit(node, DE, b'x', inner_type=b'CD975C')
    node.until(lambda: other.refusal and bent.reports and lying.reports, 10, 'three ends')
    assert other.refusal == (211, True) and bent.reports[DE, EXCEPTION].code == 403 and lying.reports[DE, EXCEPTION].code == 404
    early = node.outbox.compose(DE, TYPE, b'x')
    early[0].recipients[0].seq += 1
    late = node.outbox.submit(*early)
    node.until(lambda: late.deferred, 10, 'a deferral')
    assert late.deferred == [301]
    del node.outbox.sent[late.header.message_id]
    node.outbox.last[DE] -= 2


def wrong_reports(world):
    """A report with another digest, or of a head that never was, is refused and changes nothing; the right one counts."""
    node = world.node
    world.send('DE', 'reported', b'report on me', '--type', 'CD974C', '--replaces', REPLACED.hex())
    node.until(node.inbox.offered, 10, 'a message to report on')
    received = node.inbox.offered()[0]
    assert received.header.replaces == REPLACED, 'ENV-7'   # DE knows nothing of it (NODE-15)
    wrong = body.read_report(node.inbox.make(received, TAKEN))
    wrong.container_digest = bytes(32)
    node.inbox.send(node.signer.sign([pack(wrong)]))
    node.until(lambda: received.refusals, 10, 'a refusal of the report')
    assert received.refusals[0][0] == 216 and world.message('DE', 'reported', 'arrived')
    wrong = body.read_report(node.inbox.make(received, TAKEN))
    wrong.seen.root = bytes(32)
    node.inbox.send(node.signer.sign([pack(wrong)]))
    node.until(lambda: len(received.refusals) == 2, 10, 'a refusal of the head')
    assert received.refusals[1][0] == 213 and world.message('DE', 'reported', 'arrived')
    node.inbox.acknowledge(received)
    world.message('DE', 'reported', 'delivered')
    node.inbox.send(node.signer.sign([node.inbox.make(received, REFUSED, 601)]))
    node.until(lambda: len(received.refusals) == 3, 10, 'a second outcome refused')
    assert received.refusals[2] == (217, node.log.reference(received.logged[TAKEN])), 'REP-3: the answer is the leaf that won'


def wrong_prekeys(world):
    """A set with a key of DE is refused; the one before stays (KEY-2)."""
    node, before = world.node, world.node.prekeys.sets[b'CH'].set_serial
    stolen = body.read_prekey_set(node.keys.new_prekey_set(b'CH', node.directory.serial))
    stolen.keys[0].key = node.prekeys.sets[DE].keys[0].key
    node.session.send('publish', link.Publish(), pack(node.signer.sign([pack(stolen)])[0]))
    node.until(lambda: node.refused_prekeys, 10, 'a refusal of the keys')
    assert node.refused_prekeys == [218] and node.prekeys.sets[b'CH'].set_serial == before


def broker_is_judged(world):
    """What this node must not believe: a bent leaf, a proof elsewhere, a bent container, a strange head."""
    node, taken, heads = world.node, [], []
    handler, node.on_deliver = node.on_deliver, lambda deliver, frames: (taken.append((deliver, frames)), handler(deliver, frames))
    advance = node.log.advance
    node.log.advance = lambda update: (heads.append(((node.log.size, node.log.root), update)), advance(update))
    world.send('DE', 'judged', b'judge me', '--type', 'CD974C')
    node.until(node.inbox.offered, 10, 'a message to judge')
    node.on_deliver, node.log.advance = handler, advance
    received = node.inbox.offered()[0]
    node.inbox.acknowledge(received)
    node.until(lambda: TAKEN in received.logged, 10, 'CoD')
    deliver, (raw, container) = taken[0]
    item = link.FeedItem.FromString(raw)
    # The proof led to the head of that frame; one of a bent leaf, or one hash short, would not have.
    roots = [merkle.path_root(item.index, deliver.tree_size, merkle.leaf_hash(leaf), merkle.hashes(item.path))
             for leaf in (item.entry, item.entry + b'x')]
    assert roots[0] and roots[0] != roots[1]
    refused(Distrust, 'a proof at another size', node.log.entry, item, node.log.size - 1)
    item.path = item.path[:-32]
    refused(Distrust, 'a short proof', node.log.entry, item, node.log.size)
    entry = audit.LogEntry.FromString(item.entry)
    refused(Distrust, 'a bent container', node.inbox.take, item, entry, container[:-1] + bytes([container[-1] ^ 1]))
    entry.signature.batch_no += 1
    refused(Distrust, 'a header its sender did not sign', node.inbox.take, item, entry, container)
    head = link.HeadUpdate(checkpoint=node.log.checkpoint.replace(b'\n%d\n' % node.log.size, b'\n%d\n' % (node.log.size + 1)))
    setattr(head, 'from', node.log.size)
    refused(Distrust, 'a bent checkpoint', node.log.advance, head)
    # The head that came with the delivery, once more from the head before it.
    known, update = next((k, u) for k, u in heads if u.consistency)
    for proof, good in ((update.consistency, True), (update.consistency[:-1] + bytes([update.consistency[-1] ^ 1]), False)):
        log, shown = Log(node.log.shard, node.log.origin, node.log.key), link.HeadUpdate()
        shown.CopyFrom(update)
        shown.consistency = proof
        log.size, log.root = known
        log.advance(shown) if good else refused(Distrust, 'a bent consistency proof', log.advance, shown)


def credit_is_kept(world):
    """Without credit for a second message none comes, though it waits; the answer to a ping is proof of that (LINK-8)."""
    node, size = world.node, 5000
    node.disconnect()
    for name in ('first', 'second'):
        world.send('DE', name, os.urandom(size), '--type', 'CD974C')
        world.message('DE', name, 'accepted')
    give, node.give_credit, before = node.give_credit, lambda: None, node.inbox.deliveries
    node.connect()
    for credit, come in (((0, 1 << 20), 0), ((1, size), 0), ((1, 1 << 20), 1), ((2, size + 600), 1), ((2, 1 << 20), 2)):
        node.session.send('credit', link.Credit(messages=credit[0], bytes=credit[1]))
        node.until(lambda: node.inbox.deliveries >= before + come, 10, f'{come} deliveries')
        node.pong()
        assert node.inbox.deliveries == before + come, f'{credit}: {node.inbox.deliveries - before} came'
    node.give_credit = give
    give()
    for name in ('first', 'second'):
        world.message('DE', name, 'arrived')
    for received in node.inbox.offered():
        node.inbox.acknowledge(received)


def later_directory(world):
    """Another authority takes over: k signatures of the old and k of the new (DIR-3, DIR-8)."""
    node, folder = world.node, world.file('authority')
    authority = 'broker/authority/tmx-authority'
    world.run(authority, 'init', '--federation', 'demo', '--keys', 2, '--threshold', 2, world.file('heir'))
    world.run(authority, 'authority', world.file('heir/authority.pub'), '--dir', folder)
    keys = [folder / 'authority-1.key', folder / 'authority-2.key', world.file('heir/authority-1.key'), world.file('heir/authority-2.key')]
    world.run(authority, 'sign', '--dir', folder, *(word for key in keys for word in ('--key', key)), '--out', world.file('later.tmx'))
    later, old = world.file('later.tmx').read_bytes(), node.directory.authority
    without = directory_pb.SignedDirectory.FromString(later)
    del without.signatures[2:]
    refused(Malformed, 'a directory its next authority has not signed', Directory, pack(without), old)
    world.ctl('directory', 'install', world.file('later.tmx'))
    node.until(lambda: node.directory.serial == 2, 10, 'the later directory')
    node.until(lambda: node.feed[-1][1].kind == audit.ENTRY_DIRECTORY, 10, 'its leaf')
    sent = submit(node, DE, b'under the later directory')
    node.until(lambda: (DE, COA) in sent.reports, 10, 'CoA')
    assert set(node.directory.authority.keys) != set(old.keys) and sent.header.directory_serial == sent.reports[DE, COA].directory_serial == 2


def bye_to(node, **frame):
    """The Bye that answers this frame, which is sent until one comes: there is one a second at the most."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        node.session.socket.send_multipart([pack(link.Link(**frame))])
        if node.session.socket.poll(300):
            control, *frames = node.session.socket.recv_multipart()
            answer = parse(link.Link, control)
            if answer.WhichOneof('body') == 'bye':
                return answer
            node.take(node.session.read(control, frames))
    raise AssertionError('no Bye in 10 s')


def other_session(world):
    """A frame of another session and a Hello of another version are answered, and the session goes on; a gap ends it."""
    node = world.node
    session = node.session.session
    bye = bye_to(node, session=session + 1, number=1, ping=link.Ping(wall_ms=body.now_ms()))
    assert (bye.session, bye.number, bye.bye.code) == (session + 1, 0, 105), bye
    bye = bye_to(node, hello=link.Hello(version=2, member=b'CH', nonce=bytes(16)))
    assert (bye.session, bye.number, bye.bye.code, bye.bye.version) == (0, 0, 104, 1), bye
    node.session.send('ping', link.Ping(wall_ms=body.now_ms(), directory_serial=node.directory.serial))
    assert node.session.receive(10)[0] == 'pong'
    number = node.session.sent
    node.session.send('submit', link.Submit(items=2), b'one frame for two items')
    node.session.sent = number
    node.session.send('ping', link.Ping(wall_ms=body.now_ms(), directory_serial=node.directory.serial))
    assert node.session.receive(10)[0] == 'pong', 'LINK-1: a discarded message takes its number with it'
    node.session.sent += 1
    node.session.send('ping', link.Ping(wall_ms=body.now_ms()))
    refused(Ended, 'a gap', node.session.receive, 10)
    assert not node.connect().HasField('head') and node.session.session > session, 'LINK-5: the head is the same'


def cosigned(world):
    """This node is one of the witnesses, and is told the heads that all three have cosigned. WIT-2, WIT-4"""
    node = world.node
    node.until(lambda: node.cosigned == (node.log.size, 3), 20, 'a head that all witnesses have cosigned')
    assert node.witness.size == node.log.size


def audited(world):
    """The auditor accepts what this node signed; its export holds every leaf of this node's feed, byte for byte."""
    node, folder = world.node, world.file('export')
    world.run('broker/audit/tmx-audit', 'export', '--socket', world.file('broker/run/control'), folder)
    verdict = world.run('broker/audit/tmx-audit', 'verify', folder, '--authority', world.file('authority.pub'))
    assert 'ok' in verdict.splitlines()[-1], verdict
    entries = export.read(folder, node.log)
    assert all(pack(entry) == entries[index] for index, entry in node.feed)
    return len(entries)


def main():
    started = time.monotonic()
    steps = [first_session, directory_is_judged, message_to_two, movement_in_order, message_from, refusal_with_reason, away,
             batch_of_three, wrong_messages, wrong_reports, wrong_prekeys, broker_is_judged,
             credit_is_kept, later_directory, other_session, cosigned]
    with World(SOURCE, BUILD, ['DE', 'IT']) as world:
        for step in steps:
            step(world)
            print(f'{time.monotonic() - started:5.1f} s  {step.__name__}', flush=True)
        leaves = audited(world)
        node = world.node
        print(f'{len(node.outbox.sent)} messages sent, {len(node.inbox.received)} received, {leaves} leaves, log verified')


main()
