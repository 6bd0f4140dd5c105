// SPDX-License-Identifier: Apache-2.0
// Execution of an AddressProgram: a small interpreter of integer instructions.
#include <cstdint>

#include "address_program.hpp"

namespace tinyformer {

namespace {

// Stores of the segment that have not happened yet when the segment is evaluated.
struct PendingStore {
    Address address;
    std::uint8_t size;
    bool known;
    std::uint32_t value;
};

// The segment's own view of memory: what is there now, overlaid with the pending stores.
bool read_through(const MemoryMap& memory, const std::vector<PendingStore>& stores, Address address, unsigned size,
                  std::uint32_t* value) {
    if (!memory.read(address, size, value)) return false;
    for (const PendingStore& store : stores) {
        for (unsigned index = 0; index < size; ++index) {
            const Address distance = address + index - store.address;
            if (distance >= store.size) continue;
            if (!store.known) return false;
            const std::uint32_t byte = (store.value >> (8 * distance)) & 0xFF;
            *value = (*value & ~(0xFFu << (8 * index))) | (byte << (8 * index));
        }
    }
    return true;
}

struct Shifted {
    std::uint32_t value;
    bool carry;
};

Shifted apply_shift(std::uint32_t value, Shift kind, unsigned amount, bool carry) {
    if (kind == Shift::None || amount == 0) return {value, carry};
    switch (kind) {
        case Shift::Left:
            if (amount > 32) return {0, false};
            return {amount == 32 ? 0 : value << amount, ((value >> (32 - amount)) & 1) != 0};
        case Shift::Right:
            if (amount > 32) return {0, false};
            return {amount == 32 ? 0 : value >> amount, ((value >> (amount - 1)) & 1) != 0};
        case Shift::Arithmetic: {
            const unsigned limited = amount > 31 ? 31 : amount;
            const auto result = static_cast<std::uint32_t>(static_cast<std::int32_t>(value) >> limited);
            return {result, amount > 31 ? (value >> 31) != 0 : ((value >> (amount - 1)) & 1) != 0};
        }
        default: {
            const unsigned turn = amount & 31;
            const std::uint32_t result = turn == 0 ? value : (value >> turn) | (value << (32 - turn));
            return {result, (result >> 31) != 0};
        }
    }
}

Shifted right_operand(const Step& step, const RegisterFile& registers) {
    if (step.right == kNoRegister) return {step.immediate, registers.carry};
    const std::uint32_t value = registers.value[step.right];
    if (step.shift == Shift::None) return {value, registers.carry};
    const unsigned amount =
        step.shift_register == kNoRegister ? step.shift_amount : registers.value[step.shift_register] & 0xFF;
    return apply_shift(value, step.shift, amount, registers.carry);
}

std::uint32_t add(std::uint32_t left, std::uint32_t right, bool carry_in, const Step& step, RegisterFile* registers) {
    const std::uint64_t wide = std::uint64_t{left} + right + (carry_in ? 1 : 0);
    const auto result = static_cast<std::uint32_t>(wide);
    if (step.sets_flags) {
        registers->carry = (wide >> 32) != 0;
        registers->overflow = ((~(left ^ right) & (left ^ result)) >> 31) != 0;
    }
    return result;
}

std::uint32_t field_mask(unsigned width) { return width >= 32 ? ~0u : (1u << width) - 1; }

// A data-processing step.
void compute(const Step& step, RegisterFile* registers) {
    const Shifted right = right_operand(step, *registers);
    const std::uint32_t left = step.left == kNoRegister ? 0 : registers->value[step.left];
    const std::uint32_t third = step.third == kNoRegister ? 0 : registers->value[step.third];
    std::uint32_t result = 0;
    bool logical = true;
    switch (step.operation) {
        case Operation::Move:
            result = right.value;
            break;
        case Operation::MoveNot:
            result = ~right.value;
            break;
        case Operation::And:
            result = left & right.value;
            break;
        case Operation::Or:
            result = left | right.value;
            break;
        case Operation::OrNot:
            result = left | ~right.value;
            break;
        case Operation::Xor:
            result = left ^ right.value;
            break;
        case Operation::BitClear:
            result = left & ~right.value;
            break;
        case Operation::Add:
            result = add(left, right.value, false, step, registers), logical = false;
            break;
        case Operation::AddCarry:
            result = add(left, right.value, registers->carry, step, registers), logical = false;
            break;
        case Operation::Subtract:
            result = add(left, ~right.value, true, step, registers), logical = false;
            break;
        case Operation::SubtractCarry:
            result = add(left, ~right.value, registers->carry, step, registers), logical = false;
            break;
        case Operation::ReverseSubtract:
            result = add(right.value, ~left, true, step, registers), logical = false;
            break;
        case Operation::Multiply:
            result = left * right.value, logical = false;
            break;
        case Operation::MultiplyAdd:
            result = third + left * right.value;
            break;
        case Operation::MultiplySubtract:
            result = third - left * right.value;
            break;
        case Operation::DivideSigned: {
            const auto dividend = static_cast<std::int32_t>(left), divisor = static_cast<std::int32_t>(right.value);
            if (divisor == -1)
                result = 0u - left;
            else
                result = divisor == 0 ? 0 : static_cast<std::uint32_t>(dividend / divisor);
            break;
        }
        case Operation::DivideUnsigned:
            result = right.value == 0 ? 0 : left / right.value;
            break;
        case Operation::ExtendByte:
            result = static_cast<std::uint32_t>(static_cast<std::int8_t>(right.value));
            break;
        case Operation::ExtendHalf:
            result = static_cast<std::uint32_t>(static_cast<std::int16_t>(right.value));
            break;
        case Operation::ExtendByteUnsigned:
            result = right.value & 0xFF;
            break;
        case Operation::ExtendHalfUnsigned:
            result = right.value & 0xFFFF;
            break;
        case Operation::ExtractUnsigned:
            result = (right.value >> step.low) & field_mask(step.width);
            break;
        case Operation::ExtractSigned: {
            const unsigned top = 32 - step.width;
            result = static_cast<std::uint32_t>(static_cast<std::int32_t>((right.value >> step.low) << top) >> top);
            break;
        }
        case Operation::InsertField: {
            const std::uint32_t mask = field_mask(step.width) << step.low;
            result = (left & ~mask) | ((right.value << step.low) & mask);
            break;
        }
        case Operation::ClearField:
            result = left & ~(field_mask(step.width) << step.low);
            break;
        case Operation::MoveTop:
            result = (left & 0xFFFF) | (step.immediate << 16);
            break;
        case Operation::CountLeadingZeros:
            result = right.value == 0 ? 32 : static_cast<std::uint32_t>(__builtin_clz(right.value));
            break;
        case Operation::ReverseBytes:
            result = __builtin_bswap32(right.value);
            break;
        default:
            break;
    }
    if (step.sets_flags) {
        registers->negative = (result >> 31) != 0;
        registers->zero = result == 0;
        if (logical) registers->carry = right.carry;
    }
    if (step.writes_result) registers->value[step.target] = result;
}

// Runs steps and collects their accesses.
class Evaluation {
public:
    Evaluation(RegisterFile* registers, const MemoryMap& memory, std::vector<Access>* trace)
        : registers_(*registers), memory_(memory), trace_(*trace) {}

    void run(const Step& step) {
        if (step.operation == Operation::Forget) {
            registers_.unknown |= step.forgotten;
        } else if (registers_.unknown != 0 && depends_on_unknown(step)) {
            give_up(step);
        } else if (step.condition != 14 && !registers_.holds(step.condition)) {
            if (step.is_access()) trace_.resize(trace_.size() + step.count);
        } else if (!step.is_access()) {
            compute(step, &registers_);
            registers_.unknown &= ~step.writes();
        } else if (step.operation == Operation::Load || step.operation == Operation::Store) {
            access(step);
        } else {
            access_list(step);
        }
    }

    unsigned unknown_accesses() const { return unknown_accesses_; }

private:
    bool depends_on_unknown(const Step& step) const {
        RegisterSet needed = step.reads();
        if (step.operation == Operation::Store) needed &= bit(step.left) | bit(step.right) | bit(kFlags);
        if (step.operation == Operation::StoreMultiple) needed &= bit(step.left) | bit(kFlags);
        return (needed & registers_.unknown) != 0;
    }

    void give_up(const Step& step) {
        registers_.unknown |= step.writes();
        if (!step.is_access()) return;
        unknown_accesses_ += step.count;
        trace_.resize(trace_.size() + step.count);
    }

    void load_register(Register target, Address address, unsigned size, bool sign_extend) {
        if (target >= kProgramCounter) return;  // a jump ends the block; floating-point values make no addresses
        std::uint32_t value = 0;
        if (!read_through(memory_, pending_, address, size, &value)) {
            registers_.unknown |= bit(target);
            return;
        }
        if (sign_extend) {
            const unsigned top = 32 - 8 * size;
            value = static_cast<std::uint32_t>(static_cast<std::int32_t>(value << top) >> top);
        }
        registers_.value[target] = value;
        registers_.unknown &= ~bit(target);
    }

    void store_register(Register source, Address address, unsigned size) {
        const bool known = source < kProgramCounter && (registers_.unknown & bit(source)) == 0;
        pending_.push_back({address, static_cast<std::uint8_t>(size), known, known ? registers_.value[source] : 0});
    }

    void access(const Step& step) {
        const std::uint32_t base = step.left == kNoRegister ? 0 : registers_.value[step.left];
        std::uint32_t offset = step.immediate;
        if (step.right != kNoRegister) {
            const std::uint32_t index = registers_.value[step.right] << step.shift_amount;
            offset += step.negative_index ? 0u - index : index;
        }
        const Address address = step.post_index ? base : base + offset;
        const bool write = step.operation == Operation::Store;
        for (unsigned index = 0; index < step.count; ++index) {
            trace_.push_back({address + 4 * index, step.size, write});
        }
        // A store happens before its base is updated, a load's value wins over its base.
        if (write && step.value_needed) {
            store_register(step.target, address, step.size);
            if (step.count == 2) store_register(step.second_target, address + 4, 4);
        }
        if (step.write_back && step.left != kNoRegister) registers_.value[step.left] = base + offset;
        if (!write && step.value_needed) {
            load_register(step.target, address, step.size, step.sign_extend);
            if (step.count == 2) load_register(step.second_target, address + 4, 4, false);
        }
    }

    void access_list(const Step& step) {
        const std::uint32_t base = registers_.value[step.left];
        const std::uint32_t bytes = std::uint32_t{step.size} * step.count;
        Address address = step.descending ? base - bytes : base;
        const bool write = step.operation == Operation::StoreMultiple;
        if (step.write_back) registers_.value[step.left] = step.descending ? base - bytes : base + bytes;
        for (Register number : step.list) {
            trace_.push_back({address, step.size, write});
            if (step.value_needed) {
                if (!write) {
                    load_register(number, address, 4, false);
                } else if (number == step.left) {
                    pending_.push_back({address, 4, true, base});
                } else {
                    store_register(number, address, step.size);
                }
            }
            address += step.size;
        }
    }

    RegisterFile& registers_;
    const MemoryMap& memory_;
    std::vector<Access>& trace_;
    std::vector<PendingStore> pending_;
    unsigned unknown_accesses_ = 0;
};

}  // namespace

bool RegisterFile::holds(unsigned condition) const {
    bool result = true;
    switch (condition >> 1) {
        case 0:
            result = zero;
            break;
        case 1:
            result = carry;
            break;
        case 2:
            result = negative;
            break;
        case 3:
            result = overflow;
            break;
        case 4:
            result = carry && !zero;
            break;
        case 5:
            result = negative == overflow;
            break;
        case 6:
            result = !zero && negative == overflow;
            break;
        default:
            return true;
    }
    return (condition & 1) != 0 ? !result : result;
}

unsigned AddressProgram::run(const Segment& segment, RegisterFile* registers, const MemoryMap& memory,
                             std::vector<Access>* trace) {
    Evaluation evaluation(registers, memory, trace);
    for (const Step& step : segment.steps) evaluation.run(step);
    return evaluation.unknown_accesses();
}

}  // namespace tinyformer
