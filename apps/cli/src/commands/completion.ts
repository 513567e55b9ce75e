import { ok } from "@keyferry/base"

import type { CommandSpec } from "../command.ts"

const BASH = `# kf completion: eval "$(kf completion bash)"
_kf() {
  local IFS=$'\\n' word=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  local line
  while IFS= read -r line; do
    [[ -n $line ]] && COMPREPLY+=("$(printf '%q' "$line")")
  done < <(kf __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -eq 0 && $word == @* ]] && compopt -o default
}
complete -F _kf kf`

const ZSH = `#compdef kf
# kf completion: kf completion zsh > a folder of $fpath, as _kf
_kf() {
  local -a found
  found=("\${(@f)$(kf __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "\${found[1]}" ]] && compadd -a found
}
if [ "$funcstack[1]" = "_kf" ]; then _kf "$@"; else compdef _kf kf; fi`

const FISH = `# kf completion: kf completion fish > ~/.config/fish/completions/kf.fish
function __kf_complete
  set -l words (commandline -opc) (commandline -ct)
  kf __complete -- $words[2..-1] 2>/dev/null
end
complete -c kf -f -a '(__kf_complete)'`

const script = (shell: "bash" | "zsh" | "fish", text: string): CommandSpec => ({
  name: shell,
  summary: `for ${shell}`,
  run: async (context) => {
    context.io.answer({ schema: "kf.completion/1", shell, script: text }, [text])
    return ok("done")
  },
})

export const command: CommandSpec = {
  name: "completion",
  summary: "print the completion script of a shell; item names come from the agent while the vault is open",
  subcommands: [script("bash", BASH), script("zsh", ZSH), script("fish", FISH)],
}
