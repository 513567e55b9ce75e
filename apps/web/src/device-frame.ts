/*
 * The job of this empty document: to start the worker that holds the device, and to hand it the page's line. The page
 * cannot start it by itself, because its policy (`trusted-types 'none'`) refuses every address of a script, also its own.
 */
const worker = new Worker(new URL("./worker/main.ts", import.meta.url), { type: "module", name: "keyferry" })

// Once it runs, and not before: the page gives its line to a worker that is there.
worker.addEventListener("message", () => parent.postMessage("up", location.origin), { once: true })

addEventListener("message", (event) => {
  if (event.source !== parent || event.origin !== location.origin) return
  if (event.data === "keep") keepApp()
  else if (event.ports.length > 0) worker.postMessage("line", event.ports.slice(0, 1))
})

/** Asked for when there is a vault: before, nothing here would open without a server. */
const keepApp = (): void => {
  // What is missing without it is only the app without a server; a browser that refuses it says so in its own console.
  void navigator.serviceWorker?.register("/sw.js").catch(() => undefined)
}
