// SPDX-License-Identifier: Apache-2.0
#include "profile.hpp"

namespace tinyformer {

Totals difference(const Totals& later, const Totals& earlier) {
    Totals result;
    result.cycles = later.cycles - earlier.cycles;
    result.instructions = later.instructions - earlier.instructions;
    for (std::size_t index = 0; index < result.causes.size(); ++index) {
        result.causes[index] = later.causes[index] - earlier.causes[index];
    }
    return result;
}

void LayerTracker::enter(int layer, Address return_address, std::uint32_t stack_pointer, bool caller_calls,
                         const Totals& now) {
    close(now);
    layer_ = layer;
    return_address_ = return_address;
    stack_pointer_ = stack_pointer;
    caller_calls_ = caller_calls;
    begin_ = now;
}

void LayerTracker::after_return(Address address, std::uint32_t stack_pointer, const Totals& now) {
    if (layer_ < 0) return;
    // A caller that made a call had saved its return address: once it has returned, the stack is above the layer's.
    const bool returned =
        caller_calls_ ? stack_pointer > stack_pointer_ : address == return_address_ && stack_pointer >= stack_pointer_;
    if (returned) close(now);
}

void LayerTracker::close(const Totals& now) {
    if (layer_ >= 0) finished_.push_back({layer_, difference(now, begin_)});
    layer_ = -1;
}

}  // namespace tinyformer
