# fish completion for connleak(1). Verbs, options and most values are read from the program's own --help, so that
# none can be missing here; what the help does not spell out stands in the one table below.

# Words for a value of this kind: the name that the value has in the help. Then come the option's description and
# the lines of the help.
function __connleak_words --argument-names kind description
    switch $kind
        case WHICH
            printf '%s\n' all self (path basename /run/netns/* 2>/dev/null)
        case STYLE
            printf '%s\n' netstat ss
        case KEYS
            string replace -r '^.* by (.*?)( \(.*)?$' '$1' -- $description | string split ', '
        case METRIC
            string match -rg '^Metrics: ([a-z_ ]+)' -- $argv[3..] | string split ' ' | string replace -r '$' '='
        case COLS
            string replace -rf '^  ([A-Z][A-Z-]*)  +([^ ].*)$' '$1\t$2' -- $argv[3..]
        case '*'
            string match -r '^(?:[a-z][a-z_-]*, )*[a-z][a-z_-]* or [a-z][a-z_-]*' -- $description |
                string replace ' or ' ', ' | string split ', '
    end
end

function __connleak_complete
    set -l tokens (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $tokens[1])
    command -q $program; or return

    set -l help ($program --help 2>/dev/null </dev/null)
    set -l verbs
    for line in $help
        if set -l found (string match -r '^  ([a-z][a-z-]*)  +([^ ].*)$' -- $line)
            set -a verbs $found[2]\t$found[3]
        else if set -q verbs[1]; and not string match -q '  *' -- $line
            break
        end
    end
    if set -q tokens[2]; and contains -- $tokens[2] (string split -f1 \t -- $verbs)
        set help ($program $tokens[2] --help 2>/dev/null </dev/null)
    end

    # "--format=json" is one word
    set -l option $tokens[-1]
    set -l before
    if set -l parts (string match -r '^(--[^=]+)=(.*)$' -- $current)
        set option $parts[2]
        set before $parts[2]=
        set current $parts[3]
    end

    set -l names
    for line in $help
        set -l found (string match -r '^  (-[^ ]+(?:, *-[^ ]+)*)((?: [^ a-z]+)?)(?: +|$)(.*)$' -- $line); or continue
        set -l these (string split , -- (string replace -a ' ' '' -- $found[2]))
        set -a names $these\t$found[4]
        contains -- $option $these; and test -n "$found[3]"; or continue
        set -l kind (string match -r '[A-Z]+' -- $found[3])
        switch $kind
            case FILE DIR
                __fish_complete_path $current | string replace -r '^' -- "$before"
                return
            case COLS KEYS
                # several with commas, before columns a sign
                set before "$before"(string match -r '^[+-]?(?:.*,)?' -- $current)
        end
        string replace -r '^' -- "$before" (__connleak_words $kind $found[4] $help)
        return
    end
    test -z "$before"; or return
    if string match -q -- '-*' $current
        printf '%s\n' $names
    else if not set -q tokens[2]
        printf '%s\n' $verbs
    end
end

complete -c connleak -f -a '(__connleak_complete)'
