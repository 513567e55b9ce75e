/**
 * Every attack this product has to withstand: who is hostile, what must happen, and the test that shows it. `npm run attack
 * -- --list` prints them; an id that a test names and this list does not, or the other way round, is a failure.
 *
 * CT ciphertext · RB rollback, omission, forks · KY keys and identity · DG downgrade · DV devices, leases, recovery ·
 * AU signing in · AZ authorisation · AP app credentials · KM key service · ML leakage · WB web client ·
 * X found by reading this code as an attacker
 */
export interface Scenario {
  readonly id: string
  readonly hostile: string
  /** What must happen. */
  readonly must: string
  /** Files below `adversarial/` that hold its tests, or what it waits for. */
  readonly tested:
    | readonly string[]
    | { readonly waits: "teams" | "app credentials" | "further KMS" | "backups" | "browser" }
}

const scenario = (id: string, hostile: string, must: string, ...files: readonly string[]): Scenario => ({
  id,
  hostile,
  must,
  tested: files,
})
const waits = (
  id: string,
  hostile: string,
  must: string,
  what: Exclude<Scenario["tested"], readonly string[]>["waits"],
): Scenario => ({
  id,
  hostile,
  must,
  tested: { waits: what },
})

export const scenarios: readonly Scenario[] = [
  scenario(
    "CT-01",
    "server",
    "a record served in the place of another item's is refused; nothing is shown, nothing is sent",
    "server/ciphertext",
    "server/codec",
  ),
  scenario(
    "CT-02",
    "server",
    "bytes of a ciphertext spliced over others of it never open",
    "server/ciphertext",
    "server/codec",
  ),
  scenario(
    "CT-03",
    "server",
    "any flipped bit of a record is refused, and the wire does not tell which",
    "server/ciphertext",
    "server/codec",
  ),
  scenario(
    "CT-05",
    "server",
    "what the server keeps beside a record changes nothing that is shown",
    "server/ciphertext",
  ),
  scenario("CT-06", "server", "one ciphertext made for two keys opens under neither", "server/codec"),
  scenario(
    "CT-07",
    "server",
    "an older ciphertext under a newer header is refused",
    "server/ciphertext",
    "server/codec",
  ),
  scenario(
    "CT-08",
    "server",
    "anything but the one canonical encoding is refused before any key is touched, in bounded time and memory",
    "server/codec",
  ),
  scenario(
    "RB-01",
    "server",
    "an older head freezes the vault read-only as it was; no write goes out",
    "server/rollback",
  ),
  scenario(
    "RB-02",
    "server",
    "an item left out, doubled, brought back or invented does not add up to the signed root",
    "server/rollback",
  ),
  scenario("RB-03", "server", "links out of order or with a gap are not applied", "server/rollback"),
  scenario(
    "RB-06",
    "server",
    "after a restart nothing older is read; a new device starts no lower than the head its approver named",
    "server/rollback",
    "server/pairing",
  ),
  scenario(
    "RB-08",
    "network",
    "of two writers of one place exactly one wins and no edit is lost",
    "server/rollback",
    "strongroom/pushes",
  ),
  scenario(
    "RB-09",
    "server",
    "links that rely on a removal it holds back are not taken, and nothing is signed past them (one account)",
    "server/keys",
  ),
  scenario("KY-01", "server", "policy flags it sets in its answers are no input; no wrap is made", "server/downgrade"),
  scenario(
    "KY-02",
    "server",
    "a rotation wraps to exactly the holders of the verified chain, whatever lists it returns",
    "server/keys",
  ),
  waits("KY-03", "server", "texts of others in a dialog are plain, quoted and cut", "teams"),
  scenario("KY-04", "server", "a new vault is wrapped to its owner alone", "server/keys"),
  scenario("KY-05", "server", "a whole vault wrapped to this account by somebody else is not shown", "server/keys"),
  scenario("KY-06", "server", "a membership that the own chain does not have is refused", "server/keys"),
  scenario(
    "KY-07",
    "server",
    "a replaced wrap of the account key is not taken, and nothing is encrypted meanwhile",
    "server/keys",
  ),
  waits("KY-08", "server", "another key set under a pinned name is refused", "teams"),
  scenario(
    "KY-09",
    "server",
    "a replaced wrap of a vault key is not taken by a device that reads it anew",
    "server/keys",
  ),
  scenario(
    "KY-11",
    "server",
    "a wrap in authenticated mode, which these keys do not support, does not open",
    "server/codec",
  ),
  waits(
    "KY-12",
    "removed member",
    "what is written after a removal does not open with all old keys and the whole database",
    "teams",
  ),
  scenario(
    "KY-14",
    "server",
    "swapped keys give other words; the commitment leaves one try at a time",
    "server/pairing",
  ),
  scenario("KY-15", "server", "an approval relayed to another device gives that device nothing", "server/pairing"),
  waits("KY-16", "server", "an invitation's token binds the invitee; the server cannot", "teams"),
  waits("KY-17", "server, mailbox", "a new identity under an old address is another person", "teams"),
  waits("KY-18", "server", "a rotation that is overdue is flagged by every member", "teams"),
  waits("KY-19", "server", "a passkey slot's salt is the client's own constant", "browser"),
  scenario(
    "KY-20",
    "server",
    "a ghost device in a list, a link or a set of wraps is refused (one account)",
    "server/keys",
  ),
  scenario("DG-01", "server", "hints about the password hash are ignored; it always costs 64 MiB", "server/downgrade"),
  scenario(
    "DG-02",
    "server",
    "unknown, missing or empty suites, keys and wraps are refused; no key is made as a reaction",
    "server/downgrade",
    "server/codec",
  ),
  scenario(
    "DG-03",
    "server",
    "an ancient version and features switched off change no byte that is sent",
    "server/downgrade",
  ),
  scenario("DG-04", "server", "objects below the signed suite floor are refused", "server/codec"),
  scenario("DG-05", "server", "another static key than the pinned one is refused by name", "server/downgrade"),
  scenario(
    "DV-01",
    "thief",
    "a removed device's disk, password known, opens no strict item and no key, ever (first half)",
    "device/stolen",
  ),
  scenario(
    "DV-02",
    "thief",
    "ten guesses; each is counted before it is evaluated, also if the process is killed",
    "device/stolen",
    "strongroom/leases",
  ),
  scenario(
    "DV-03",
    "removed device",
    "past its grace a removed device that stayed offline opens nothing",
    "device/stolen",
  ),
  scenario(
    "DV-06",
    "removed device",
    "sessions, streams and requests in flight end with the removal",
    "device/removed",
    "strongroom/pushes",
  ),
  scenario("DV-07", "removed device", "its keys never come back", "device/removed"),
  scenario("DV-08", "unapproved device", "a full level-3 session reads no ciphertext", "device/removed"),
  scenario("DV-09", "server", "another lease key is named as such, and is no wrong password", "server/lease"),
  scenario(
    "DV-10",
    "person in a hurry",
    "clearing a device counts what is only there and needs a typed word",
    "device/leaving",
  ),
  scenario(
    "DV-11",
    "person in a hurry",
    "the last device does not go without a way back, here and at the server",
    "device/leaving",
  ),
  scenario(
    "DV-12",
    "fate",
    "with every device lost the kit brings everything back; without a server a store opens with it",
    "device/leaving",
  ),
  scenario("DV-13", "thief", "a lease of one device is worth nothing on another", "server/lease"),
  scenario(
    "DV-14",
    "server",
    "without the server strict items stay closed, standard ones open inside the grace, nothing falls back silently",
    "server/lease",
  ),
  scenario(
    "AU-01",
    "outsider",
    "nothing about the second factor, mails or devices happens before the password",
    "network/enrolment",
  ),
  scenario(
    "AU-03",
    "outsider",
    "five codes in 15 minutes for an account, growing pauses, across restarts",
    "network/enrolment",
  ),
  scenario(
    "AU-04",
    "outsider",
    "a recovery code works once, also in two places at once; only a hash is kept",
    "network/enrolment",
  ),
  scenario("AU-05", "outsider", "hammering an account does not lock its devices out", "network/limits"),
  scenario("AU-07", "mailbox", "the mailbox alone gives no session, device or factor", "network/enrolment"),
  scenario(
    "AU-08",
    "outsider",
    "a session's token changes with its level; a planted one is nothing",
    "network/enrolment",
  ),
  scenario("AU-09", "outsider", "a stolen session without the device's signature reads nothing", "network/enrolment"),
  scenario(
    "AU-11",
    "outsider",
    "wrong device, expired, used, replaced or denied: one answer for all",
    "network/enrolment",
  ),
  scenario(
    "AU-12",
    "outsider",
    "the victim has no code to give away, and one click ends it for a day",
    "network/enrolment",
  ),
  scenario("AU-13", "thief", "the second factor does not go while sync is on", "network/enrolment"),
  scenario(
    "AU-14",
    "web page",
    "no state-changing route answers a form or a fetch of another site",
    "network/requests",
  ),
  scenario(
    "AU-15",
    "everybody",
    "each route answers exactly the actors and states that its table says",
    "network/doors",
  ),
  scenario("AU-16", "outsider", "headers that name another host do not reach a mail", "network/enrolment"),
  scenario("AU-17", "outsider", "the browser that confirms a device gets nothing", "network/enrolment"),
  scenario(
    "AZ-01",
    "another account",
    "every id of another account, on every route, is as good as none",
    "network/doors",
  ),
  scenario(
    "AZ-02",
    "another account",
    "one foreign id in a batch: that part is refused whole and nothing of the other account changes",
    "network/doors",
  ),
  waits("AZ-03", "reader", "a reader writes nothing, at the server and at every client", "teams"),
  waits("AZ-04", "invited member", "an owner who was not confirmed owns nothing", "teams"),
  scenario(
    "AZ-05",
    "thief",
    "what a thief deletes or overwrites comes back from the signed history, with its author (one account)",
    "device/removed",
  ),
  scenario("AZ-06", "device", "a property more than the schema knows refuses the request", "network/requests"),
  waits("AP-01", "database thief", "no call can be made with what the server stores", "app credentials"),
  waits("AP-02", "leaked secret", "it opens no vault", "app credentials"),
  waits("AP-03", "reader of logs", "it is in no log, URL or history", "app credentials"),
  waits("AP-04", "many at once", "the limit of instances holds under a race", "app credentials"),
  waits("AP-06", "network", "a captured signed request is worth nothing", "app credentials"),
  waits("AP-07", "network", "no part of a signature can be confused for another", "app credentials"),
  waits("AP-08", "plan", "a smaller plan loses nothing silently", "app credentials"),
  waits("AP-09", "removed instance", "it is told so and drops what it cached", "app credentials"),
  scenario(
    "KM-01",
    "key service",
    "with every outer layer taken off there is still only ciphertext",
    "strongroom/at-rest",
  ),
  scenario(
    "KM-02",
    "database thief",
    "the stores alone show no inner ciphertext, seed or lease key",
    "strongroom/at-rest",
  ),
  waits("KM-04", "key service", "an outage is an outage; nothing falls back", "further KMS"),
  waits("KM-05", "fate", "a rotation killed at every step loses nothing", "further KMS"),
  scenario("KM-06", "operator", "a wrong key file refuses to start and makes no new one", "strongroom/at-rest"),
  scenario("KM-07", "race", "of two first data keys one wins and nothing lies under the other", "strongroom/at-rest"),
  scenario(
    "KM-09",
    "server",
    "the strongroom reads nothing out without a fresh signature of a device for each request",
    "strongroom/bulk",
  ),
  waits("KM-10", "strongroom", "nothing gets out of its container", "further KMS"),
  scenario("KM-11", "reader of logs", "no log, file name or crash holds a key or a value", "strongroom/at-rest"),
  waits("KM-12", "database thief", "a deleted account's backup does not open", "backups"),
  scenario(
    "ML-01",
    "database thief",
    "of 100 items of all kinds no title, kind, name or address can be read; what can is listed",
    "network/leakage",
  ),
  scenario("ML-02", "database thief", "secrets of 8 to 200 characters have one stored size", "network/leakage"),
  scenario("ML-03", "content", "no request is ever caused by what was decrypted", "network/leakage"),
  scenario("ML-05", "network", "reading and searching ask nobody", "network/leakage"),
  scenario("ML-06", "mailbox", "no mail names an item, a vault or a device's own name", "network/leakage"),
  waits("WB-01", "content", "fields are rendered as text; addresses open after a question", "browser"),
  waits("WB-02", "script", "an injected script finds no way out", "browser"),
  waits("WB-03", "server", "a changed bundle is flagged by whoever checks", "browser"),
  waits("WB-04", "person at the screen", "a locked tab shows nothing", "browser"),
  waits("WB-05", "person at the screen", "clipboard and lock follow the clock", "browser"),
]

/** Which numbers each family of the catalogue has, so that a line that is lost from the list above is missed. */
export const FAMILIES: Readonly<Record<string, readonly number[]>> = {
  CT: [1, 2, 3, 5, 6, 7, 8],
  RB: [1, 2, 3, 6, 8, 9],
  KY: [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 18, 19, 20],
  DG: [1, 2, 3, 4, 5],
  DV: [1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14],
  AU: [1, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17],
  AZ: [1, 2, 3, 4, 5, 6],
  AP: [1, 2, 3, 4, 6, 7, 8, 9],
  KM: [1, 2, 4, 5, 6, 7, 9, 10, 11, 12],
  ML: [1, 2, 3, 5, 6],
  WB: [1, 2, 3, 4, 5],
}
