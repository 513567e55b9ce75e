/*
 * Which states of the gallery are also reached in the browser stories of `npm run e2e`, by a person's own steps on a real
 * server, and which are not. A state that is in neither list, or in both, fails the tests of this folder; so does a sentence
 * that no story has any more.
 */
const ADD_FIRST = "the first thing a visitor does is add a key, with no account"
const RELOAD = "a secret shows when asked, and a reload locks the page with nothing of it left"
const FIRST_LINK = "the first-account link leads into the app, and an invitation outlives the lock"
const KIT = "the kit is shown once, and two groups of it are asked back"
const TURN_ON =
  "turning sync on is three steps: a second factor, this browser (the first link has confirmed it), a choice"
const SECOND = "a second browser signs in, is confirmed by mail, and gets its keys with the kit"
const RETRIEVE = "sync is turned on there, and what the first browser synced arrives"
const EDIT = "an edit on one side is on the other side's screen by itself"
const PLACES = "every page that the rail and the settings lead to opens, the palette and the list of keys too"
const REMOVE = "the second browser is removed: it says so by itself, and a list tells what to replace"

const TYPED = "what was typed and not saved is there after a reload, until it is saved or given up"
const SAME_NAME = "a second browser that came with the name of the first gets another one, at a press"
const TOO_OLD =
  "a link that is too old: its page refuses it, the waiting browser says that it expired, and a new mail works"
const KIT_FORGOTTEN = "an account is made by the first link, and a kit whose page was reloaded is not forgotten"
const KEYS_LOST = "a browser's keys are lost while its rows are there: the page says so, and the way on is open"
const NO_CAMERA = "where there is no camera, the page says so and names what is typed instead"
const DEVICE_SEEN = "a new browser is approved by its code before the camera, with nothing typed but two words"
const RECOVERED =
  "the password is lost: the kit, the mailbox and the second factor bring the account back, with a reload at each step"
const SESSION_OVER = "a sign-in that the server has forgotten meanwhile begins anew from the page that waited for it"
const FACTOR_LOST =
  "the second factor is lost as well: after 72 hours the kit recovers without it, in a page that was closed meanwhile"
const PASSWORD_CHANGED = "the password is changed; a reload comes back to the question"
const ADDRESS_CHANGED = "the address is changed by the link in the new mailbox; both mailboxes are told"
const KIT_REPLACED = "the kit is replaced, and the new one is checked after a reload lost its page"
const PASSKEY_ADDED = "a passkey is added"
const PASSKEY_REMOVED = "the passkey is removed, and a passkey answers for the second factor before that"
const WHOLE_ACCOUNT = "sync of the whole account is stopped, after its question"
const SIGNED_OUT =
  "the last device signs out and clears, after what is only here was named and the kit was shown to be there"
const SWITCHES = "sync of this browser and of one item is stopped, each after its question, and goes on"
const BIN = "an item goes into the bin and comes back"
const RENAMED = "a device gets another name"
const CONFLICT = "the same secret changed on both sides: both values are kept, and a person picks one"
const WITHOUT_ACCOUNT = "without an account every place says what is there, and what an account would bring"
const EDITOR_HELPS = "the editor says what is missing, and of a key that may withdraw what that means"
const EDITOR_PASTES = "the editor sorts what is pasted into it, and says what it did"
const KINDS_LOOK = "items of other kinds are read: a host, its key, and a key that may withdraw"
const HOLDER_CLOSED = "a tab that is locked because the one with the keys was closed says so"
const RETIRED = "the browser that signed out is listed as signed out"
const DEFECT_AT_START = "a worker that throws at its start is a sentence on the page, and the next load opens as ever"
const LIST_LOOKS = "the list is filtered, selected and drawn closer, and an item's history is read"
const DEVICES_SAY = "the page of devices says that there is only one, how another is added, and what it knows of each"
const QUESTIONS = "questions that are given up change nothing, and a reload comes back to each"
const FROZEN = "the account is frozen and thawed again"
const PART_OPEN =
  "unlocked while the server is away, what is strict is closed and said to be; a press leads to what opens it"
const READ = "pages to read, and an address that has none"
const KEYS_OFFLINE =
  "the server is gone after the page was loaded: add, search, edit, copy and export work without an account"
const APPROVED =
  "the first browser approves it, with three words there and two words back; words that were mistyped are made anew"

/** State → the sentence of the story that reaches it. */
export const REACHED: Readonly<Record<string, string>> = {
  "screen:first-run": ADD_FIRST,
  "screen:add-first": ADD_FIRST,
  "screen:add-exchange": ADD_FIRST,
  "dialog:local-password": ADD_FIRST,
  "screen:item": ADD_FIRST,
  "sync:no-account": ADD_FIRST,
  "custody:local-only": ADD_FIRST,
  "screen:item-shown": RELOAD,
  "screen:unlock": RELOAD,
  "screen:sign-up": FIRST_LINK,
  "screen:kit": KIT,
  "sync:setup-incomplete": KIT,
  "screen:turn-on-factor": TURN_ON,
  "screen:recovery-codes": TURN_ON,
  "screen:turn-on-choose": TURN_ON,
  "screen:turn-on-done": TURN_ON,
  "sync:up-to-date": TURN_ON,
  "device:active": TURN_ON,
  "screen:sign-in": SECOND,
  "screen:second-factor": SECOND,
  "screen:confirm-by-device": SECOND,
  "screen:confirm-by-mail": SECOND,
  "device:pending": SECOND,
  "screen:get-keys": SECOND,
  "screen:turn-on-retrieve": RETRIEVE,
  "screen:list": RETRIEVE,
  "custody:here": RETRIEVE,
  "screen:edit": EDIT,
  "screen:activity": PLACES,
  "screen:bin-empty": PLACES,
  "screen:settings-general": PLACES,
  "screen:settings-accounts-credentials": PLACES,
  "screen:settings-synchronization": PLACES,
  "screen:settings-sign-in": PLACES,
  "screen:settings-copies": PLACES,
  "screen:settings-appearance": PLACES,
  "screen:settings-keyboard": PLACES,
  "screen:settings-about": PLACES,
  "dialog:palette": PLACES,
  "dialog:shortcuts": PLACES,
  "screen:devices": REMOVE,
  "dialog:remove-device": REMOVE,
  "dialog:step-up": REMOVE,
  "screen:replace": REMOVE,
  "device:removed": REMOVE,
  "sync:device-removed": REMOVE,
  "page:device-removed": REMOVE,
  "banner:kit": KIT_FORGOTTEN,
  "screen:enrolment-ended": TOO_OLD,
  "screen:devices-same-name": SAME_NAME,
  "editor:draft": TYPED,
  "screen:unlock-lost": KEYS_LOST,
  "dialog:start-again": KEYS_LOST,
  "dialog:scan": DEVICE_SEEN,
  "dialog:scan-none": NO_CAMERA,
  "screen:approve": DEVICE_SEEN,
  "screen:approve-reply": DEVICE_SEEN,
  "screen:recover": RECOVERED,
  "screen:unlock-joining": SESSION_OVER,
  "dialog:factor-lost": FACTOR_LOST,
  "screen:factor-waits": FACTOR_LOST,
  "banner:factor-reset": FACTOR_LOST,
  "screen:recover-password": RECOVERED,
  "dialog:change-password": PASSWORD_CHANGED,
  "dialog:change-address": ADDRESS_CHANGED,
  "dialog:kit-replace": KIT_REPLACED,
  "dialog:kit-not-yet": KIT_FORGOTTEN,
  "dialog:kit-check": KIT_REPLACED,
  "dialog:passkey-add": PASSKEY_ADDED,
  "dialog:passkey-remove": PASSKEY_REMOVED,
  "dialog:whole-account": WHOLE_ACCOUNT,
  "sync:sync-suspended": WHOLE_ACCOUNT,
  "screen:sign-out": SIGNED_OUT,
  "screen:sign-out-last": SIGNED_OUT,
  "dialog:sync-off": SWITCHES,
  "sync:sync-off": SWITCHES,
  "dialog:keep-local": SWITCHES,
  "dialog:sync": SWITCHES,
  "dialog:remove-item": BIN,
  "screen:bin": BIN,
  "dialog:rename-device": RENAMED,
  "screen:conflicts": CONFLICT,
  "screen:conflicts-none": CONFLICT,
  "sync:conflicts": CONFLICT,
  "screen:item-copied": KEYS_OFFLINE,
  "screen:add": TYPED,
  "banner:device-waits": APPROVED,
  "screen:list-empty": WITHOUT_ACCOUNT,
  "screen:standard-only": PART_OPEN,
  "screen:list-closed": PART_OPEN,
  "screen:devices-no-account": WITHOUT_ACCOUNT,
  "screen:activity-no-account": WITHOUT_ACCOUNT,
  "screen:turn-on-no-account": WITHOUT_ACCOUNT,
  "editor:problem": EDITOR_HELPS,
  "editor:withdraw": EDITOR_HELPS,
  "screen:choose-kind": EDITOR_PASTES,
  "editor:trimmed": EDITOR_PASTES,
  "editor:split": EDITOR_PASTES,
  "editor:swapped": EDITOR_PASTES,
  "screen:add-env": EDITOR_PASTES,
  "screen:item-ssh": KINDS_LOOK,
  "screen:item-host": KINDS_LOOK,
  "screen:item-withdraw": KINDS_LOOK,
  "screen:item-large": KINDS_LOOK,
  "screen:unlock-holder-closed": HOLDER_CLOSED,
  "device:retired": RETIRED,
  "page:store-failure": DEFECT_AT_START,
  "screen:list-nothing-matches": LIST_LOOKS,
  "screen:list-selected": LIST_LOOKS,
  "screen:list-compact": LIST_LOOKS,
  "screen:history": LIST_LOOKS,
  "screen:devices-one": DEVICES_SAY,
  "dialog:add-device": DEVICES_SAY,
  "screen:device-details": DEVICES_SAY,
  "screen:replace-none": DEVICES_SAY,
  "dialog:credential-switch": QUESTIONS,
  "dialog:factor-off": QUESTIONS,
  "dialog:freeze": QUESTIONS,
  "screen:settings-accounts-sync": QUESTIONS,
  "dialog:trouble": QUESTIONS,
  "screen:unlock-frozen": FROZEN,
  "sync:offline": CONFLICT,
  "dialog:sync-existing": SWITCHES,
  "screen:security": READ,
  "screen:about-vaults": READ,
  "screen:no-page": READ,
  "screen:rescue": READ,
}

/** Why no story goes there. */
const OTHER_SERVER =
  "needs a server that was restored, changed, grew newer or refuses: shown by tests of the SDK and of the server"
const OTHER_BROWSER = "needs a browser or an address that the stories do not have"
const BY_HAND = "a person's choice on a screen that the stories pass by; drawn from recorded answers only"
const ELSEWHERE = "needs another device in another state at that moment; shown by tests of devices with kf"
const LOOK = "a look of a screen that is reached: density, width, selection"
const BRIEF = "there for moments only: a story that waited for it would be a race"

/** State → why no story reaches it. */
export const NOT_REACHED: Readonly<Record<string, string>> = Object.fromEntries(
  (
    [
      [
        OTHER_SERVER,
        [
          "sync:wrong-server",
          "sync:client-too-old",
          "sync:clock-wrong",
          "sync:device-limit",
          "sync:server-rolled-back",
          "sync:vault-frozen",
        ],
      ],
      [
        OTHER_SERVER,
        ["page:client-too-old", "page:wrong-server", "sync:rejected", "screen:mail-off", "banner:overdue"],
      ],
      [
        OTHER_BROWSER,
        [
          "dialog:scan-refused",
          "sync:insecure-context",
          "page:insecure-context",
          "page:browser-lacks",
          "banner:storage",
        ],
      ],
      [
        ELSEWHERE,
        ["device:pending-first", "device:confirmed", "device:approved", "device:stale", "device:lease-locked"],
      ],
      [ELSEWHERE, ["device:rejected", "device:expired", "sync:device-unknown", "sync:account-frozen"]],
      [ELSEWHERE, ["custody:not-here"]],
      [ELSEWHERE, ["screen:unlock-offline", "screen:sign-out-offline"]],
      [
        BRIEF,
        [
          "sync:busy",
          "sync:syncing",
          "sync:retrieving",
          "screen:retrieving",
          "custody:on-the-way",
          "screen:turn-on-progress",
        ],
      ],
      [LOOK, ["screen:list-narrow", "screen:list-density-offer"]],
      [BY_HAND, ["screen:turn-on-device", "screen:retrieve-paused", "sync:retrieve-paused"]],
    ] as const
  ).flatMap(([reason, states]) => states.map((state) => [state, reason] as const)),
)
