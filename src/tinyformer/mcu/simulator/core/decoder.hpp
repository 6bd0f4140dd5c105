// SPDX-License-Identifier: Apache-2.0
// Thumb-2 code to Instruction, by way of capstone.
#pragma once
#include <capstone/capstone.h>

#include <cstddef>
#include <vector>

#include "instruction.hpp"

namespace tinyformer {

// Number of a capstone register, kNoRegister if the models do not track it.
Register register_number(unsigned capstone_register);

class Decoder {
public:
    Decoder();
    ~Decoder();
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    // An instruction as capstone sees it; `raw` is null where it does not know the encoding.
    struct Decoded {
        Instruction instruction;
        cs_insn* raw;
    };

    // Decodes `size` bytes at `address`. The raw instructions live until the next call.
    std::vector<Decoded> decode(Address address, const std::uint8_t* code, std::size_t size);

private:
    Instruction translate(const cs_insn& raw) const;

    csh capstone_ = 0;
    std::vector<cs_insn*> owned_;
    std::vector<std::size_t> owned_counts_;
};

}  // namespace tinyformer
