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
          "sync:insecure-context",
          "page:insecure-context",
          "page:browser-lacks",
          "page:store-failure",
          "banner:storage",
        ],
      ],
      [
        ELSEWHERE,
        [
          "device:pending-first",
          "device:confirmed",
          "device:approved",
          "device:stale",
          "device:lease-locked",
          "device:retired",
        ],
      ],
      [
        ELSEWHERE,
        ["device:rejected", "device:expired", "sync:device-unknown", "sync:account-frozen", "sync:sync-suspended"],
      ],
      [ELSEWHERE, ["sync:conflicts", "screen:conflicts", "custody:not-here", "custody:closed", "screen:standard-only"]],
      [ELSEWHERE, ["banner:device-waits", "screen:approve", "screen:approve-reply"]],
      [ELSEWHERE, ["sync:offline", "screen:unlock-offline", "screen:sign-out-offline", "screen:unlock-holder-closed"]],
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
      [LOOK, ["screen:list-compact", "screen:list-narrow", "screen:list-selected", "screen:list-density-offer"]],
      [LOOK, ["screen:list-nothing-matches", "screen:item-large", "screen:item-copied", "screen:device-details"]],
      [
        BY_HAND,
        ["editor:swapped", "editor:split", "editor:trimmed", "editor:withdraw", "editor:problem", "screen:choose-kind"],
      ],
      [
        BY_HAND,
        ["screen:rescue", "screen:recover", "screen:recover-password", "screen:security", "screen:about-vaults"],
      ],
      [
        BY_HAND,
        [
          "screen:list-empty",
          "screen:item-withdraw",
          "screen:item-host",
          "screen:item-ssh",
          "screen:add",
          "screen:add-env",
        ],
      ],
      [
        BY_HAND,
        ["screen:history", "screen:conflicts-none", "screen:bin", "screen:no-page", "screen:turn-on-no-account"],
      ],
      [
        BY_HAND,
        [
          "screen:turn-on-device",
          "screen:retrieve-paused",
          "sync:retrieve-paused",
          "screen:sign-out",
          "screen:sign-out-last",
        ],
      ],
      [
        BY_HAND,
        ["screen:devices-one", "screen:devices-no-account", "screen:replace-none", "screen:activity-no-account"],
      ],
      [
        BY_HAND,
        ["sync:sync-off", "screen:settings-accounts-sync", "dialog:keep-local", "dialog:sync", "dialog:remove-item"],
      ],
      [
        BY_HAND,
        ["dialog:trouble", "dialog:add-device", "dialog:rename-device", "dialog:sync-off", "dialog:credential-switch"],
      ],
      [BY_HAND, ["dialog:sync-existing", "dialog:whole-account", "dialog:change-password", "dialog:change-address"]],
      [
        BY_HAND,
        [
          "dialog:factor-off",
          "dialog:kit-check",
          "dialog:kit-replace",
          "dialog:passkey-add",
          "dialog:passkey-remove",
          "dialog:freeze",
        ],
      ],
    ] as const
  ).flatMap(([reason, states]) => states.map((state) => [state, reason] as const)),
)
