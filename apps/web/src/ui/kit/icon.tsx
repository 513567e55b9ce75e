/** Engraved marks: 20 by 20, one stroke. Each state of the product has a shape of its own, never a colour alone. */
const PATHS = {
  add: "M10 4v12M4 10h12",
  alert: "M10 3 18 16.5H2zM10 8v4M10 14.2v.1",
  api: "M7 6 3 10l4 4M13 6l4 4-4 4",
  arrow: "M4 10h12M11 5l5 5-5 5",
  back: "M16 10H4M9 5l-5 5 5 5",
  bin: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6M8.6 9v4M11.4 9v4",
  browser: "M3 4.5h14v11H3zM3 8h14M5.5 6.3h.1",
  check: "M4 10.5 8 14.5 16 5.5",
  clock: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 6.5V10l2.5 1.5",
  close: "M5 5l10 10M15 5 5 15",
  cloud: "M6 15.5a3.5 3.5 0 0 1-.4-7A4.6 4.6 0 0 1 14.5 8 3.8 3.8 0 0 1 14 15.5z",
  copy: "M7 7h9v9H7zM4 13V4h9",
  devices: "M2.5 5h10v7.5h-10zM5 15.5h5M14 8h3.5v7.5H14z",
  down: "M5 8l5 5 5-5",
  edit: "M4 16l1-4 8.5-8.5 3 3L8 15z",
  eye: "M2 10s3-5.5 8-5.5S18 10 18 10s-3 5.5-8 5.5S2 10 2 10M10 7.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4",
  "eye-off":
    "M3 3l14 14M8 4.8A8 8 0 0 1 10 4.5c5 0 8 5.5 8 5.5a14 14 0 0 1-2.2 2.8M5 6.5A13 13 0 0 0 2 10s3 5.5 8 5.5a8 8 0 0 0 3.5-.8",
  exchange: "M4 7h11l-3-3M16 13H5l3 3",
  flag: "M5 17V4h9l-1.5 3L14 10H5",
  folder: "M3 5h5l1.5 2H17v8.5H3z",
  help: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M8 8a2 2 0 1 1 2.7 1.9c-.5.2-.7.5-.7 1.1M10 13.6v.1",
  history: "M3.5 10a6.5 6.5 0 1 0 2-4.7L3.5 7M3.5 3.5V7H7M10 7v3.2l2.3 1.3",
  host: "M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.1M6 13.5h.1",
  identity: "M10 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6M4 16.5c.5-3 2.8-4.5 6-4.5s5.5 1.5 6 4.5",
  info: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 9v4.5M10 6.5v.1",
  key: "M12.5 3.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8M9.7 10.3 3.5 16.5M5.5 14.5l2 2",
  keyboard: "M2.5 5.5h15v9h-15zM5.5 8.5h.1M8.5 8.5h.1M11.5 8.5h.1M14.5 8.5h.1M6.5 11.5h7",
  kit: "M5 3h7l3 3v11H5zM12 3v3h3M7.5 10h5M7.5 13h3",
  large: "M3 8V3h5M17 12v5h-5M3 3l5.5 5.5M17 17l-5.5-5.5",
  link: "M8.5 11.5a3 3 0 0 0 4.2 0l2.5-2.5a3 3 0 0 0-4.2-4.2L10 5.8M11.5 8.5a3 3 0 0 0-4.2 0L4.8 11a3 3 0 0 0 4.2 4.2l1-1",
  list: "M4 5.5h12M4 10h12M4 14.5h12",
  lock: "M5 9h10v7.5H5zM7 9V6.5a3 3 0 0 1 6 0V9",
  login: "M9 4h7v12H9M3 10h9M9 7l3 3-3 3",
  mail: "M3 5h14v10H3zM3 5.5l7 5.5 7-5.5",
  menu: "M4 6h12M4 10h12M4 14h12",
  more: "M5 10h.1M10 10h.1M15 10h.1",
  note: "M5 3.5h10v13H5zM8 7.5h4M8 10.5h4",
  offline: "M3 3l14 14M6 15.5a3.5 3.5 0 0 1-.4-7M8.5 5.6A4.6 4.6 0 0 1 14.5 8a3.8 3.8 0 0 1 2 6.5",
  out: "M11 4H4v12h7M8 10h9M14 7l3 3-3 3",
  pause: "M7 5v10M13 5v10",
  phone: "M6 2.5h8v15H6zM9 15h2",
  print: "M6 7V3h8v4M6 13H3.5V7h13v6H14M6 11h8v6H6z",
  qr: "M3.5 3.5h5v5h-5zM11.5 3.5h5v5h-5zM3.5 11.5h5v5h-5zM11.5 11.5h2v2h-2zM16.5 11.5v5h-5",
  retrieve: "M10 3v9M6 8.5l4 4 4-4M4 16h12",
  restore: "M4 8h8a4 4 0 0 1 0 8H7M4 8l3.5-3.5M4 8l3.5 3.5",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4M12.7 12.7 17 17",
  settings: "M4 6h6M14 6h2M12 4v4M4 14h2M10 14h6M8 12v4",
  shield: "M10 3l6 2v5c0 3.5-2.5 6-6 7-3.5-1-6-3.5-6-7V5z",
  slash: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M5 15 15 5",
  snippet: "M4 5l4 4-4 4M10 14h6",
  ssh: "M3 4h14v12H3zM6 8l2.5 2L6 12M10 12.5h4",
  swap: "M4 7h12M13 4l3 3-3 3M16 13H4M7 10l-3 3 3 3",
  sync: "M4 9a6 6 0 0 1 10.5-3L16 7.5M16 4v3.5h-3.5M16 11a6 6 0 0 1-10.5 3L4 12.5M4 16v-3.5h3.5",
  terminal: "M3 4h14v12H3zM6 8l2.5 2L6 12M10 12.5h4",
  token: "M10 3l6 3.5v7L10 17l-6-3.5v-7zM10 10v7M10 10l6-3.5M10 10 4 6.5",
  two: "M4 4h9v9H4zM7 16h9V7",
  env: "M4 3.5h12v13H4zM7 7.5h2M11 7.5h2M7 10.5h2M11 10.5h2M7 13.5h2",
} as const

export type IconName = keyof typeof PATHS

/** Those that point along the line of reading turn round with it. */
const DIRECTED: ReadonlySet<IconName> = new Set(["arrow", "back", "out", "login", "restore", "history"])

export const Icon = ({ name, size = 20 }: { readonly name: IconName; readonly size?: 16 | 20 | 24 }) => (
  <svg
    className="icon"
    width={size}
    height={size}
    viewBox="0 0 20 20"
    aria-hidden="true"
    data-name={name === "more" ? name : undefined}
    data-directed={DIRECTED.has(name) ? "" : undefined}
  >
    <path d={PATHS[name]} />
  </svg>
)
