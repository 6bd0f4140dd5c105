// SPDX-License-Identifier: Apache-2.0
// Attribution of cycles to marked regions and to layers.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "block.hpp"

namespace tinyformer {

struct Symbol {
    Address address = 0;
    std::uint32_t size = 0;
    std::string name;
    bool is_layer = false;  // named <anything>_layer_<n>
};

// Everything that is counted, at one moment.
struct Totals {
    Cycle cycles = 0;
    std::uint64_t instructions = 0;
    CauseCounts causes{};
};

// A stretch of execution: a layer or a marked region.
struct Stretch {
    int identifier = 0;  // index of the layer's symbol, or number of the region
    Totals spent;
};

// Follows the layers of a network: a layer lasts from the entry of its function to the entry of the next layer, the
// last one until the function that calls the layers returns.
class LayerTracker {
public:
    bool open() const { return layer_ >= 0; }
    // The function of a layer is entered. `caller_calls` tells that the return address lies in the function that made
    // the jump (an ordinary call; otherwise a tail call).
    void enter(int layer, Address return_address, std::uint32_t stack_pointer, bool caller_calls, const Totals& now);
    // A block is entered after a return. Closes the last layer when its caller has returned.
    void after_return(Address address, std::uint32_t stack_pointer, const Totals& now);
    void close(const Totals& now);

    const std::vector<Stretch>& finished() const { return finished_; }

private:
    int layer_ = -1;
    Address return_address_ = 0;
    std::uint32_t stack_pointer_ = 0;
    bool caller_calls_ = true;
    Totals begin_;
    std::vector<Stretch> finished_;
};

Totals difference(const Totals& later, const Totals& earlier);

}  // namespace tinyformer
