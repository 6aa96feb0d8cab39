# shellcheck shell=bash
# Completion for bash: what the program itself says of its commands and options.
_berth()
{
    local word=$2 previous=$3 command=${COMP_WORDS[1]}
    local -a words

    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t words < <("$1" --help 2>/dev/null |
            sed -n 's/^  berth \([a-z]*\) .*/\1/p')
        words+=(--help --version)
    fi
    case $command in
        -*) command=serve ;;
    esac
    if [ "$COMP_CWORD" != 1 ] || [ "${word#-}" != "$word" ]; then
        case $previous in
            --policy | --identity | --audit)
                compopt -o default
                return
                ;;
        esac
        mapfile -t -O "${#words[@]}" words < <("$1" "$command" --help 2>/dev/null |
            grep --only-matching -- '--[a-z-]*[a-z]' | sort --unique)
    fi
    mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$word")
    [ ${#COMPREPLY[@]} != 0 ] || compopt -o default
}
complete -F _berth berth
