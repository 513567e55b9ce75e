// The token stays behind the "#": it reaches the server only in the body of what a person does here.
const UNREACHED = "The server could not be reached."
const token = location.hash.slice(1)
const byId = (id) => document.getElementById(id)
const say = (text) => {
  byId("status").textContent = text
}

const post = async (path, body) => {
  const response = await fetch(`/api/v1${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => undefined)
  if (response === undefined) return { done: false, answer: { title: UNREACHED, hint: "Try again." } }
  const answer = await response.json().catch(() => ({}))
  return { done: response.ok, answer }
}

const act = async (path, body, words) => {
  byId("confirm").disabled = true
  byId("deny").disabled = true
  const { done, answer } = await post(path, body)
  if (done) {
    byId("ask").hidden = true
    say(words)
  } else {
    byId("confirm").disabled = false
    byId("deny").disabled = false
    say(`${answer.title ?? "That did not work."} ${answer.hint ?? ""}`)
  }
}

const start = async () => {
  const { done, answer } = await post("/confirm/describe", { token })
  if (!done && answer.title === UNREACHED) {
    say(`${UNREACHED} Load this page again.`)
    return
  }
  if (!done) {
    say("This link cannot be used. The waiting device says why, and can ask for a new mail.")
    return
  }
  byId("platform").textContent = answer.platform
  byId("since").textContent = new Date(answer.requestedAtMs).toLocaleString()
  byId("ask").hidden = false
  say("")
  byId("code").focus()
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault()
  const code = byId("code").value.replace(/\D/g, "")
  if (code.length !== 6) say("The code has six digits.")
  else void act("/confirm", { token, code }, "Confirmed. Go on at the device.")
})
byId("deny").addEventListener("click", () => {
  void act("/confirm/deny", { token }, "The device was turned away. Change your password: somebody knows it.")
})
void start()
