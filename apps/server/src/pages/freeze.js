// The token stays behind the "#": it reaches the server only in the body of what a person does here.
const button = document.getElementById("freeze")
const status = document.getElementById("status")

const freeze = async () => {
  button.disabled = true
  const response = await fetch("/api/v1/freeze", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: location.hash.slice(1) }),
  })
  button.disabled = false
  document.getElementById("ask").hidden = response.ok
  status.textContent = response.ok
    ? "Your account is frozen. When you know more: kf thaw, on one of your devices. Then change your password."
    : "This link cannot be used any more. On one of your devices, run kf freeze; or ask the operator of this server."
}
button.addEventListener("click", () => void freeze())
