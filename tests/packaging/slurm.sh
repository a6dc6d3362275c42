#!/usr/bin/env bash
# examples/slurm.sbatch under a real Slurm: munged, slurmctld and two slurmd on this host, without systemd and apart from any that
# run here. Two nodes join a run by one token, leave when the job is told to end, and go on as the same machines in the next job.
#   tests/packaging/slurm.sh BUILD SOURCE
# Exit code 77: it cannot be tried here; the reason is printed.
BIN=$(realpath "$1") ROOT=$(realpath "$2")
skip() { echo "skipped: $*"; exit 77; }
for program in munged slurmctld slurmd sbatch srun; do command -v $program >/dev/null || skip "$program is missing (Debian: slurm-wlm, munge)"; done
[ "$(id -u)" -eq 0 ] || skip "slurmd needs root"
. "$ROOT/tests/integration/common.sh"
export PATH=$BIN:$PATH HOME=$work/home SLURM_CONF=$work/slurm.conf
mkdir "$HOME"
stop() {
    local status=$? p
    scancel --user=root --quiet 2>/dev/null
    "$BIN/onebyte" down "$work/alice" >/dev/null 2>&1
    for p in "${!pid[@]}"; do kill "${pid[$p]}" 2>/dev/null; done
    sleep 1
    (exit $status)
    cleanup
}
trap stop EXIT

# the cluster
until ports=$(free_ports) && [ $((ports % 100)) -lt 6 ]; do :; done # the nodes' are made of their hundreds, the task and 6
port=$((ports + 20))
dd if=/dev/urandom of="$work/munge.key" bs=128 count=1 status=none && chmod 600 "$work/munge.key"
host=$(hostname -s)
cat >"$SLURM_CONF" <<CONF
ClusterName=onebyte
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
AuthInfo=socket=$work/munge.socket,cred_expire=15
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=30
SelectType=select/cons_tres
SchedulerParameters=sched_interval=2
StateSaveLocation=$work/slurmctld
SlurmdSpoolDir=$work/slurmd-%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd-%n.log
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1
PartitionName=test Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
mkdir "$work/slurmctld"
munged --foreground --socket="$work/munge.socket" --key-file="$work/munge.key" --pid-file="$work/munge.pid" \
    --seed-file="$work/munge.seed" --log-file="$work/munge.log" --force >"$work/munge.out" 2>&1 &
pid[munged]=$!
wait_for 20 test -S "$work/munge.socket" || { cat "$work/munge.out"; fail "munged does not start"; }
slurmctld -D >"$work/slurmctld.out" 2>&1 & pid[slurmctld]=$!
for node in n1 n2; do slurmd -D -N $node >"$work/slurmd-$node.out" 2>&1 & pid[$node]=$!; done
idle() { [ "$(sinfo -h -N -o %t 2>/dev/null | grep -c '^idle$')" = 2 ]; }
wait_for 60 idle || { sinfo -N; tail -5 "$work"/slurm*.out "$work"/slurm*.log; fail "no two idle nodes"; }

# the run, on a machine that is no node of it
onebyte up --model "$model" --data "$data/held_out.jsonl" --run alice --state "$work/alice" --lr 3e-5 --rounds 1000000 --threads 1 \
    --listen "tcp://127.0.0.1:$((port + 3))" >"$work/up.out" 2>&1 || { cat "$work/up.out"; fail "onebyte up"; }
onebyte invite node --uses 2 --state "$work/alice" | grep -o 'ob1\.[A-Za-z0-9_-]*' >"$work/token" || fail "onebyte invite"
chmod 600 "$work/token"

# the job's number. Both nodes are one host here, so each is told its own ports.
submit() { # submit [OPTION of sbatch]…
    sbatch "$@" --parsable --nodes 2 --output "$work/job.log" "$ROOT/examples/slurm.sbatch" "$work/token" "$data/held_out.jsonl" "$work/state-%t" \
        --model "$model" --threads 1 --listen "tcp://127.0.0.1:$((ports / 100))%t6"
}
of() { onebyte status "$1" --json >"$1.json" 2>/dev/null; field "$1.json" "$2"; }
trained() { [ "$(of "$work/state-$1" own_samples)" -gt "$2" ] 2>/dev/null; }
equal() { # the machines here hold the same records and the same weights
    local digests= folder
    for folder in "$work/alice" "$work/state-0" "$work/state-1"; do
        [ "$(of "$folder" weights_digest_current)" = true ] || return 1
        digests+="$(field "$folder.json" log_digest)/$(field "$folder.json" weights_digest) "
    done
    [ "$(printf '%s\n' $digests | sort -u | wc -l)" = 1 ]
}
over() { [ -z "$(squeue -h -j "$1" -o %T 2>/dev/null)" ]; }
train() { # train SAMPLES SAMPLES: both nodes train past so many of their own, with the same weights as the machine outside
    for task in 0 1; do wait_for 120 trained $task "${@:task + 1:1}" || { tail -20 "$work/job.log"; squeue; fail "task $task does not train"; }; done
    for folder in "$work/alice" "$work/state-0" "$work/state-1"; do onebyte pause "$folder" >/dev/null || fail "pause $folder"; done
    wait_for 120 equal || fail "other weights: $(cat "$work/alice.json")"
    for folder in "$work/alice" "$work/state-0" "$work/state-1"; do onebyte resume "$folder" >/dev/null || fail "resume $folder"; done
}
left() { # left JOB STATE: both said goodbye before the job was killed, and it is good
    wait_for 60 over "$1" || { squeue; fail "job $1 does not end"; }
    [ "$(grep -c ' stop rounds=' "$work/job.log")" -ge 2 ] || { tail -20 "$work/job.log"; fail "not everybody said goodbye"; }
    scontrol show job "$1" | grep -q "JobState=$2" || { scontrol show job "$1"; tail -20 "$work/job.log"; fail "job $1 is not $2"; }
}

bash "$ROOT/examples/slurm.sbatch" "$work/token" rows.jsonl "$work/state" 2>"$work/out"
[ $? = 2 ] && grep -q 'a state directory of its own' "$work/out" || fail "one state directory for all nodes: $(cat "$work/out")"
job=$(submit) || fail "sbatch"
train 0 0
if { scontrol show job "$job"; ps -eo args; } | grep -qFf "$work/token"; then fail "the token is shown to everybody"; fi
grep -q '^exit_when_finished = yes' "$work/state-0/onebyte.conf" || fail "the job outlasts the run"
scancel --signal=TERM "$job" || fail "scancel --signal"
left "$job" COMPLETED
keys() { cat "$work"/state-[01]/identity.pub; }
keys >"$work/keys"

# the same command again: the same machines go on, and what both had trained is there
samples=($(for task in 0 1; do field "$work/state-$task.json" own_samples; done))
: >"$work/job.log"
job=$(submit) || fail "sbatch again"
train "${samples[@]}"
keys | cmp -s - "$work/keys" || fail "other machines than before"
[ "$(onebyte machines "$work/alice" --json | grep -o '"name"' | wc -l)" -ge 3 ] || fail "not every node is admitted by the token"

# requeued, as Slurm does itself when a node fails: the same job goes on by itself, each machine with its own state
: >"$work/job.log"
scontrol requeue "$job" || fail "scontrol requeue"
began() { [ "$(grep -c ' start run=' "$work/job.log")" -ge 2 ]; }
wait_for 240 began || { squeue; scontrol show job "$job"; tail -20 "$work/job.log"; fail "the requeued job does not begin again"; }
[ "$(grep -c ' stop rounds=' "$work/job.log")" -ge 2 ] || { cat "$work/job.log"; fail "not everybody said goodbye before the job was requeued"; }
scontrol show job "$job" | grep -q 'Restarts=1' || fail "it was not requeued: $(scontrol show job "$job")"
train 0 0
keys | cmp -s - "$work/keys" || fail "other machines after the job was requeued"
for task in 0 1; do [ "$(of "$work/state-$task" next_sample)" -gt "${samples[task]}" ] || fail "task $task begins anew"; done
scancel "$job" || fail "scancel" # to everything at once, killed after KillWait
left "$job" CANCELLED

# the time limit: 90 s before it they are told, 60 s earlier or later as Slurm looks, and are gone when it comes
samples=($(for task in 0 1; do field "$work/state-$task.json" own_samples; done))
: >"$work/job.log"
job=$(submit --time 3) || fail "sbatch with a time limit"
for task in 0 1; do wait_for 120 trained $task "${samples[$task]}" || { tail -20 "$work/job.log"; fail "task $task does not go on"; }; done
wait_for 240 over "$job" || fail "the time limit does not end the job"
left "$job" COMPLETED
keys | cmp -s - "$work/keys" || fail "other machines than before"
echo "two nodes joined, left in time and went on"
