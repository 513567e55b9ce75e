// Quoted for a shell: the link has a "#".
document.getElementById("command").textContent = `kf signup '${location.href.replace(/'/g, "%27")}'`
