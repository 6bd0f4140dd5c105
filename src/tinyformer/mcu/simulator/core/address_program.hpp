// SPDX-License-Identifier: Apache-2.0
// Which addresses a basic block will touch, computed when the block is entered.
//
// A callback of the emulator on every access costs some 400 ns. Instead, the part of a block that its addresses depend
// on is extracted once; executed at the block's entry with the registers of that moment, it yields all accesses. Where
// an address depends on something outside its vocabulary, the block is cut into segments, each evaluated with the
// registers at its own start.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "decoder.hpp"
#include "memory_map.hpp"
#include "types.hpp"

namespace tinyformer {

// The registers and flags an AddressProgram works on.
struct RegisterFile {
    std::array<std::uint32_t, 16> value{};
    bool negative = false, zero = false, carry = false, overflow = false;
    RegisterSet unknown = 0;  // loaded from a peripheral: not known before the access happens

    void set_flags(std::uint32_t status) {
        negative = (status >> 31) & 1;
        zero = (status >> 30) & 1;
        carry = (status >> 29) & 1;
        overflow = (status >> 28) & 1;
    }
    bool holds(unsigned condition) const;  // condition in the encoding of the architecture, 14 is "always"
};

enum class Operation : std::uint8_t {
    Move,
    MoveNot,
    Add,
    AddCarry,
    Subtract,
    SubtractCarry,
    ReverseSubtract,
    And,
    Or,
    OrNot,
    Xor,
    BitClear,
    Multiply,
    MultiplyAdd,
    MultiplySubtract,
    DivideSigned,
    DivideUnsigned,
    ExtendByte,
    ExtendHalf,
    ExtendByteUnsigned,
    ExtendHalfUnsigned,
    ExtractSigned,
    ExtractUnsigned,
    InsertField,
    ClearField,
    MoveTop,
    CountLeadingZeros,
    ReverseBytes,
    Forget,
    Load,
    Store,
    LoadMultiple,
    StoreMultiple,
};

enum class Shift : std::uint8_t { None, Left, Right, Arithmetic, Rotate };

// One step of an AddressProgram: an instruction reduced to its effect on integer registers and memory.
struct Step {
    Operation operation = Operation::Move;
    std::uint8_t condition = 14;
    bool sets_flags = false;
    bool writes_result = true;  // false for CMP, CMN, TST, TEQ
    Register target = kNoRegister;
    Register second_target = kNoRegister;  // LDRD, or the second register of STRD
    Register left = kNoRegister;           // first operand, or base of an access
    Register right = kNoRegister;          // second operand or index of an access; kNoRegister: `immediate`
    Register third = kNoRegister;          // accumulator
    Shift shift = Shift::None;
    std::uint8_t shift_amount = 0;
    Register shift_register = kNoRegister;
    std::uint32_t immediate = 0;
    std::uint8_t low = 0, width = 0;  // bit fields
    std::uint8_t size = 4;            // bytes an access
    std::uint8_t count = 1;           // accesses
    bool sign_extend = false;
    bool write_back = false;
    bool post_index = false;
    bool negative_index = false;
    bool descending = false;     // LDMDB, STMDB, PUSH
    bool value_needed = true;    // loads: the value feeds an address; stores: a later load may read it
    RegisterSet forgotten = 0;   // registers whose new value no step can compute
    std::vector<Register> list;  // LDM, STM

    RegisterSet reads() const;
    RegisterSet writes() const;
    bool is_access() const { return operation >= Operation::Load; }
};

class AddressProgram {
public:
    struct Segment {
        Address start = 0;        // where the registers have to be read
        RegisterSet live_in = 0;  // which of them; kFlags stands for the flags
        std::vector<Step> steps;
    };

    AddressProgram() = default;
    explicit AddressProgram(const std::vector<Decoder::Decoded>& block);

    const std::vector<Segment>& segments() const { return segments_; }

    // Appends the accesses of a segment to `trace`. `registers` holds the segment's live-in registers and is used up.
    // Returns the number of accesses whose address was not known.
    static unsigned run(const Segment& segment, RegisterFile* registers, const MemoryMap& memory,
                        std::vector<Access>* trace);

private:
    std::vector<Segment> segments_;
};

}  // namespace tinyformer
