#!/usr/bin/env bash
# completions.sh BUILD_ROOT - what the generated completions offer in bash, and in zsh and fish where they are installed.
BUILD=$1
failed=0
expect() { # SHELL WHAT GOT…: the words of WHAT are all among the rest
    local shell=$1 what=$2 word; shift 2
    for word in $what; do
        [[ " $* " == *" $word "* ]] || { echo "$shell does not offer $word: $*"; failed=1; }
    done
}

source "$BUILD/docs/onebyte"
try() { local what=$1; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _onebyte "$1"; expect bash "$what" "${COMPREPLY[@]}"; }
try "eval" onebyte ev
try "create" onebyte run ""
try "--schedule" onebyte run create --sch
try "safetensors gguf peft" onebyte export x --format ""
try "gguf" onebyte export x --format = g
try "--config --check" onebyted --c
try "--manifest --json" onebyte audit --
COMPREPLY=(x)
COMP_WORDS=(onebyte eval --model /t) COMP_CWORD=3
_onebyte onebyte
[ ${#COMPREPLY[@]} = 0 ] || { echo "bash: a path is not left to bash"; failed=1; }

if command -v fish >/dev/null; then
    offered() { fish --no-config -c "source $BUILD/docs/onebyte.fish; complete -C '$1'" | cut -f 1; }
    expect fish "eval" $(offered "onebyte ev")
    expect fish "create" $(offered "onebyte run ")
    expect fish "gguf peft" $(offered "onebyte export --format ")
    expect fish "--schedule" $(offered "onebyte run create --sch")
    expect fish "--config --set --check" $(offered "onebyted --")
else
    echo "skipped: fish is not installed"
fi
if command -v zsh >/dev/null; then
    zsh -n "$BUILD/docs/_onebyte" || failed=1
    # offered LINE WORD: a terminal in which a tab is pressed, until WORD shows (or twenty seconds are over)
    offered() {
        zsh -f -c "zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'PS1=; unsetopt zle_bracketed_paste 2>/dev/null; fpath=($BUILD/docs \$fpath); autoload -U compinit; compinit -u -D; compdef _onebyte onebyte onebyted; LISTMAX=1000; echo re''ady'
            zpty -r z line '*ready*'; zpty -w -n z '$1'\$'\t\t'; line=; for i in {1..200}; do zpty -r -t z more && line+=\$more; [[ \$line == *$2* ]] && break; sleep 0.1; done; print -r -- \$line; zpty -d z" 2>/dev/null |
            tr -c 'a-zA-Z0-9_-' ' '
    }
    expect zsh "eval" $(offered "onebyte ev" "eval")
    expect zsh "gguf peft safetensors" $(offered "onebyte export --format " safetensors)
else
    echo "skipped: zsh is not installed"
fi
exit $failed
