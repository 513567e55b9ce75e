/** What `kf status` and `kf doctor` say of a kit that nobody has checked on the device that made it; the web app's words. */
export const KIT_UNCHECKED = {
  found: "your recovery kit was not checked; without one that can be read, a lost device may be a lost account",
  fix: "kf kit --check, or kf kit for a new one",
} as const
