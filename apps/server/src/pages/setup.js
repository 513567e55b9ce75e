// Quoted for a shell: the link has a "#".
document.getElementById("command").textContent = `kf signup '${location.href.replace(/'/g, "%27")}'`
// The token stays behind the "#" and reaches no server by this.
document.getElementById("here").href = `/sign-up${location.hash}`
