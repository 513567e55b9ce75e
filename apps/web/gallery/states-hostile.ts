import type { ItemSummary } from "@keyferry/sdk"

import * as f from "./fixtures.ts"
import type { GalleryState } from "./gallery-state.ts"

/** What somebody may have put into any field of any device, and what must come out as those very letters. */
export const HOSTILE: readonly string[] = [
  "<script>window.__hostile = 1</script>",
  '<img src=x onerror="window.__hostile = 1">',
  '<svg onload="window.__hostile = 1"><a href="javascript:window.__hostile=1">x</a></svg>',
  "javascript:window.__hostile=1",
  "data:text/html,<script>window.__hostile=1</script>",
  "{{constructor.constructor('window.__hostile=1')()}}",
  "${window.__hostile=1}",
  "\u202egnp.tset\u202c and \u2066isolated\u2069",
  "\u0000\u0007bell\u001b[31mred",
  "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034dA\u036b\u0357\u0334\u0362\u0335\u031c\u0330\u0354L",
  "{name, plural, other {#}} '{'",
  "A very long name ".repeat(65_536),
]

const hostileItems: readonly ItemSummary[] = HOSTILE.map((text, at) => ({
  ...f.anItem,
  kind: f.items[at % f.items.length]?.kind ?? "note",
  id: `itm_${String(at).padStart(26, "h")}`,
  title: text,
  summary: text,
  tags: [text.slice(0, 200)],
}))

const hostileDevices = HOSTILE.map((text, at) =>
  f.device({
    id: `dev_h${at}`,
    name: text,
    platform: text,
    isThis: at === 0,
    ...(at === 1 ? { state: "pending" } : {}),
  }),
)

const hostile = {
  status: {
    ...f.synced,
    account: f.account({
      address: "<b>ada</b>@example.com",
      deviceName: HOSTILE[1] ?? "",
      server: "https://keys.example.com",
    }),
    sync: f.syncUp({ detail: HOSTILE[0] ?? "", state: "refused" as const, code: "clock-skew" as const }),
  },
  items: hostileItems,
  devices: hostileDevices,
  rotation: hostileItems.map((item) => ({
    itemId: item.id,
    kind: item.kind,
    title: item.title,
    harm: "withdraws" as const,
    why: item.title,
  })),
  bin: hostileItems,
}

const pages = [
  "/",
  "/devices",
  "/devices/approve/dev_h1",
  "/activity",
  "/bin",
  "/replace?device=%3Cb%3Ex",
  "/settings/general",
  "/settings/accounts/credentials",
  "/sign-out",
  "/turn-on-sync",
]

export const HOSTILE_STATES: readonly GalleryState[] = [
  ...pages.map((path): GalleryState => ({
    id: `hostile${path.replaceAll(/[^a-z]+/g, "-")}`,
    path,
    shows: [],
    record: hostile,
  })),
  ...hostileItems.map((item, at): GalleryState => ({
    id: `hostile-item-${at}`,
    path: `/item/${item.id}`,
    shows: [],
    record: hostile,
  })),
  {
    id: "hostile-palette",
    path: "/",
    shows: [],
    record: hostile,
    steps: [{ press: "Control+k" }, { fill: "Search or run a command", text: "<" }],
  },
]
