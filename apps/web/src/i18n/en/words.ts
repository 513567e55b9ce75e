/** Words that the pages before the vault share with all others. */
export const words = {
  "time.now": "just now",
  "time.minutes": "{n}\u00a0min ago",
  "time.hours": "{n}\u00a0h ago",
  "time.yesterday": "yesterday",
  "time.days": "{n, plural, one {#\u00a0day ago} other {#\u00a0days ago}}",
  "time.today-at": "today {time}",
  "time.day-at": "{day} {time}",

  "progress.of": "{done} of {total}",
  "progress.working": "Working",

  "failure.code": "Code",
  "failure.wait": "{n, plural, one {Try again in # second.} other {Try again in # seconds.}}",

  "field.show": "Show {field}",
  "field.hide": "Hide {field}",
  "field.password": "Password",
  "field.address": "Email",
  "field.address-wrong": "Write an address such as name@example.org.",
  "field.device-name": "Name of this browser",
  "field.device-name-hint": "Your other devices show it. You can change it later.",
} as const
