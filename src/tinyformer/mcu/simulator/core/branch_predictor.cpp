// SPDX-License-Identifier: Apache-2.0
#include "branch_predictor.hpp"

namespace tinyformer {

bool BranchPredictor::resolve(Address branch_address, std::uint32_t traits, Address fall_through, Address next) {
    const bool taken = next != fall_through;
    const bool conditional = (traits & (kConditionalBranch | kPredicated)) != 0;
    const bool indirect = (traits & kIndirect) != 0;
    Entry& entry = entries_[(branch_address >> 1) % entries_.size()];
    const bool known = entry.branch == branch_address;

    bool predict_taken = true;
    Address predicted_target = indirect ? 0 : next;  // a direct target is in the encoding
    if (known) {
        predict_taken = !conditional || entry.counter >= 2;
        predicted_target = entry.target;
    } else if ((traits & kConditionalBranch) != 0) {
        predict_taken = taken && next < branch_address;
    }
    const bool right = predict_taken == taken && !(taken && indirect && predicted_target != next);

    if (known) {
        if (taken && entry.counter < 3) ++entry.counter;
        if (!taken && entry.counter > 0) --entry.counter;
    } else if (taken) {
        entry.branch = branch_address;
        entry.counter = 2;
    }
    if (taken) entry.target = next;
    return right;
}

}  // namespace tinyformer
