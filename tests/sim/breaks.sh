# Sourced by tests/sim/prove.
break_it apply-twice peer/arrival.c \
    's/^( *)struct ob_effect \*apply = ob_effects_add\(peer, OB_EFFECT_APPLY\);/\1*ob_effects_add(peer, OB_EFFECT_APPLY) = (struct ob_effect){.kind = OB_EFFECT_APPLY, .record = arrival->record, .machine = machine->id};\n&/' \
    "a record is applied twice"
break_it publish-first peer/rounds.c \
    '/ob_effects_publish\(peer, data/d; s/^( *)struct ob_effect \*persist = ob_effects_add\(peer, OB_EFFECT_PERSIST_OWN\);/\1ob_effects_publish(peer, data, OB_MESSAGE_HEADER_BYTES + bytes);\n&/' \
    "an own record is published before it is durable"
break_it no-pacing peer/pacing.c \
    '/^bool ob_pacing_may_start/,/^}/s/return peer->pacing.blocker == NULL/return true/' \
    "nobody is waited for"
break_it sign-at-once peer/reconcile.c \
    's/if \(now.wanted > 0 && now.given == now.wanted\)/if (true)/; s/if \(own_open \|\| blocked\(peer, waited\)\)/if (false)/' \
    "a machine signs before the others have told its own frontier"
break_it no-repair peer/fetch.c \
    '/^static void ask\(struct ob_peer/,/^}/s/^    assert.*/    return;/' \
    "missing records are never asked for"
break_it frontier-equal peer/frontier.c \
    's/if \(claim->next.index > machine->chain.next\) \{/if (claim->next.index > machine->chain.next + 40) {/' \
    "small gaps in a frontier are overlooked"
break_it over-the-cut peer/cut.c \
    '/^bool ob_cut_allows/,/^}/s/record->first.index \+ record->n <= machine->standing.cut/true/' \
    "records above a cut are taken in"
break_it no-unapply peer/cut.c \
    '/^void ob_cut_enforce/,/^}/s/^    struct ob_effect \*unapply = /    if (false) return;\n    struct ob_effect nothing, *unapply = \&nothing; (void)/' \
    "what a cut takes back is not taken back"
break_it higher-cut peer/control_table.c \
    '/^static bool replaces/,/^}/s/index < ob_control_cut/index > ob_control_cut/' \
    "of two cuts of one signer the higher one stays"
break_it highest-cut peer/admission.c \
    's/if \(ob_control_cut\(&control\).index < standing->cut\)/if (standing->cut == UINT64_MAX || ob_control_cut(\&control).index > standing->cut)/' \
    "of the cuts of several signers, and of evidence, the highest counts" revoked-by-two-keys
break_it later-stays peer/control_table.c \
    's/^    if \(known && ob_control_table_get/    if (false \&\& ob_control_table_get/' \
    "of two entries the one that comes later stays" revoked-twice
break_it later-rotation peer/control_table.c \
    's/!= rotation;/== true;/' \
    "of two rotations of one key the later one stays" rotated-twice
break_it sign-again peer/reconcile.c \
    's/if \(peer->own->chain.next >= signed_below \|\| peer->options.observer\)/if (true)/' \
    "samples whose records were cut are signed again" limit-raised-again
break_it address-once peer/admission.c \
    's/^    machine->standing.reach \|= control->kind == OB_CONTROL_ADDRESS;/    machine->standing.reach |= control->kind == OB_CONTROL_ADDRESS \&\& !machine->standing.reached;/' \
    "only the first address of a machine is told" moved
break_it forks-overlooked peer/fork.c \
    '/^void ob_fork_search/,/^}/s/if \(with == peer->own/if (true || with == peer->own/' \
    "nobody looks for the place where two chains part"
break_it nothing-handed-on peer/way.c \
    '/^struct machine \*ob_way_to/,/^}/s/^    if \(usable/    return NULL;\n    if (usable/' \
    "questions and answers between machines without a link are not handed on" overlay-partition
break_it alone-and-training peer/isolation.c \
    's/most > 0 && peer->isolation.unacknowledged >= most/false \&\& most > 0/' \
    "the smaller side of a partition goes on" overlay-partition
break_it flips-unheard peer/dispute.c \
    's/said->agrees = ob_hash_equal\(.*$/said->agrees = true;/' \
    "nobody compares weights digests" bit-flips
break_it own-fork-unshown peer/fork.c \
    '/^void ob_fork_own/,/^}/s/^    peer->own_fork =/    halt(peer);\n    return;\n&/' \
    "who finds that its own key was used twice stops without showing where" fork-owner-and-one
break_it halted-deaf peer/peer.c \
    's/event->data\[0\] == OB_MESSAGE_HEARTBEAT \|\| //' \
    "a host of a copied identity that has stopped does not stop one that starts later" copy-put-back
break_it not-told-why peer/view.c \
    '/^const uint8_t \*ob_peer_why_out/,/^}/s/return why;/return NULL;/' \
    "a machine that all others cut off is not told why" fork-owner-and-one
break_it jump-for-one peer/reached.c \
    '/^size_t ob_reached_majority/,/^}/s/return .*;/return 1;/' \
    "one machine's word is enough for a jump" hostile-jump
break_it newcomer-believes peer/pacing.c \
    '/^static uint32_t could_have_done/,/^}/s/return .*;/return machine->chain.head_round + 0 * (uint32_t)rounds;/' \
    "a newcomer begins where a single other machine says that it is" hostile-pair
break_it endless-patience peer/patience.c \
    '/^bool ob_patience_used_up/,/^}/s/return machine/return false \&\& machine/' \
    "who is slow but not silent is waited for without end" hostile-drag
break_it taken-back peer/dispute.c \
    's/^( *)peer->counters.agreements\+\+;/\1said->accuses = false;\n&/' \
    "a later agreement clears an accusation" hostile-accuse
break_it counts-twice peer/isolation.c \
    's|size_t half = \(now->last_live \+ 1\) / 2;|size_t half = now->last_live / 2;|' \
    "less than half of the machines last live are enough to go on" false-acknowledgements
break_it uses-uncounted peer/invitation.c \
    's/ret_first->most = ob_control_invitation\(&invitation\).uses;/ret_first->most = OB_INVITATION_USES_MAX;/' \
    "an invitation admits more machines than it says" invitation-used-twice
break_it first-come-stays peer/invitation.c \
    '/^static bool is_first/,/^}/s/^    return .*/    return first->count < first->most || first->without == NULL;/' \
    "of too many admissions those stay that came first" invitation-used-twice
break_it expiry-unseen peer/view.c \
    '/^static enum ob_err check_uses/,/^}/s/if \(passed\(says.expiry_s, wall_s\)\)/if (false)/' \
    "a door admits by an invitation that has expired" invitation-expired
break_it withdrawal-ignored peer/invitation.c \
    '/^bool ob_invitation_allows/,/^}/s/ob_control_keeps\(&withdrawal, &admission->subject\)/true/' \
    "whom a withdrawal does not list stays" invitation-withdrawn
break_it admissions-stay peer/authority.c \
    '/^void ob_authority_invited/,/^}/s/^    if \(removed \|\| !admission\)$/    if (false)/' \
    "admissions stay in the table when their invitation is withdrawn" invitation-withdrawn
break_it news-late peer/twin.c \
    's/return handed_on->left > 0 \&\& !said;/return now - handed_on->last_ns >= AGAIN_NS;/; s/&twin->newest_handed_on/\&twin->naming_handed_on/' \
    "what stops a second host waits until something else may be handed on again" copy-started-again
break_it late-unanswered peer/heartbeat.c \
    '/^static void answer_dispute/,/^}/s/if \(!said->compared/if (true || !said->compared/' \
    "who is slow and wrong is not told by those whose heartbeats are about later records" flip-of-a-slow-one
