// Interrupts, exceptions and sleeping of the simulated core.
#include <algorithm>
#include <cstring>

#include "machine.hpp"

namespace tinyformer {

namespace {

// Numbers of the emulator's exceptions (QEMU, target/arm/cpu.h).
enum : int { kUndefined = 1, kSupervisorCall = 2, kBreakpoint = 7, kExceptionExit = 8 };

constexpr unsigned kSupervisorCallException = 11;
constexpr std::uint32_t kFrameBytes = 32;
constexpr std::uint32_t kFramePadded = 1u << 9;  // in the saved status: the frame was aligned by a word
constexpr std::uint32_t kThumbState = 1u << 24;
constexpr std::uint32_t kReturnToThreadMain = 0xFFFFFFF9, kReturnToThreadProcess = 0xFFFFFFFD,
                        kReturnToHandler = 0xFFFFFFF1;
constexpr int kFrameRegisters[6] = {UC_ARM_REG_R0, UC_ARM_REG_R1,  UC_ARM_REG_R2,
                                    UC_ARM_REG_R3, UC_ARM_REG_R12, UC_ARM_REG_LR};

}  // namespace

bool Machine::interrupts_masked() const {
    return !active_.empty() || (get(UC_ARM_REG_PRIMASK) & 1) != 0 || (get(UC_ARM_REG_FAULTMASK) & 1) != 0;
}

void Machine::refresh_next_event() {
    Cycle next = system_.next_event(now());
    for (const auto& device : devices_) {
        if (system_.enabled(device->irq()))
            next = std::min(next, device->interrupt(now()) ? now() : device->next_event(now()));
    }
    next_event_ = next;
}

// Whether an exception is to be taken before the next block.
bool Machine::check_interrupts() {
    constexpr Cycle kRetry = 64;  // masked: look again soon
    wanted_exception_ = interrupts_masked() ? 0 : system_.pending_exception(now(), devices_);
    if (wanted_exception_ != 0) return true;
    refresh_next_event();
    next_event_ = std::max(next_event_, now() + kRetry);
    return false;
}

// Nothing happens until the next interrupt: let time pass, or stop if none can come.
void Machine::sleep() {
    refresh_next_event();
    if (next_event_ == kNever || !active_.empty()) {
        io_.stop(StopReason::Lockup, 1);
        fault_.pc = fault_.address = get(UC_ARM_REG_PC) & ~Address{1};
        fault_.lr = get(UC_ARM_REG_LR);
        return;
    }
    if (next_event_ <= now()) return;
    if (model_)
        model_->wait_until(next_event_);
    else
        slept_ += next_event_ - now();
}

Address Machine::take_exception(unsigned number, Address return_to) {
    system_.acknowledge(number);
    ExceptionContext context{};
    context.number = number;
    for (int index = 0; index < 16; ++index) context.floats[index] = get(UC_ARM_REG_S0 + index);
    context.float_status = get(UC_ARM_REG_FPSCR);

    const std::uint32_t status = get(UC_ARM_REG_XPSR);
    const bool process_stack = active_.empty() && (get(UC_ARM_REG_CONTROL) & 2) != 0;
    const std::uint32_t stack = get(UC_ARM_REG_SP);
    const bool padded = (stack & 4) != 0;
    const std::uint32_t frame = stack - kFrameBytes - (padded ? 4 : 0);
    std::uint32_t words[8];
    for (int index = 0; index < 6; ++index) words[index] = get(kFrameRegisters[index]);
    words[6] = return_to;
    words[7] = (status & ~kFramePadded) | kThumbState | (padded ? kFramePadded : 0);
    if (!memory_.load(frame, reinterpret_cast<const std::uint8_t*>(words), sizeof words)) {
        fault_ = {"stack overflow at an exception", frame, return_to, get(UC_ARM_REG_LR)};
        io_.stop(StopReason::Fault, 1);
        return return_to;
    }
    lowest_stack_ = std::min(lowest_stack_, frame);
    set(UC_ARM_REG_SP, frame);
    set(UC_ARM_REG_LR, !active_.empty() ? kReturnToHandler
                       : process_stack  ? kReturnToThreadProcess
                                        : kReturnToThreadMain);
    set(UC_ARM_REG_XPSR, kThumbState | number);
    active_.push_back(context);
    refresh_next_event();

    const Address table = system_.vector_table() != 0 ? system_.vector_table() : memory_.flash_start();
    std::uint32_t handler = 0;
    memory_.read(table + 4 * number, 4, &handler);
    return handler;
}

Address Machine::return_from_exception() {
    const ExceptionContext context = active_.back();
    active_.pop_back();
    if (current_ != nullptr) finish_block(0);
    current_ = nullptr;
    emulator_exception_ = -1;
    fault_ = {};
    for (int index = 0; index < 16; ++index) set(UC_ARM_REG_S0 + index, context.floats[index]);
    set(UC_ARM_REG_FPSCR, context.float_status);
    // Back to the stack of the interrupted program first: leaving handler mode may switch it.
    const std::uint32_t main_frame = get(UC_ARM_REG_SP);
    std::uint32_t status = 0;
    const bool to_process = (get(UC_ARM_REG_LR) & 0xF) == 0xD && active_.empty();
    const std::uint32_t frame = to_process ? get(UC_ARM_REG_PSP) : main_frame;
    memory_.read(frame + 28, 4, &status);
    set(UC_ARM_REG_XPSR, (status & ~kFramePadded) | kThumbState);
    for (int index = 0; index < 6; ++index) {
        std::uint32_t value = 0;
        memory_.read(frame + 4 * static_cast<Address>(index), 4, &value);
        set(kFrameRegisters[index], value);
    }
    std::uint32_t return_to = 0;
    memory_.read(frame + 24, 4, &return_to);
    set(UC_ARM_REG_SP, frame + kFrameBytes + ((status & kFramePadded) != 0 ? 4 : 0));
    refresh_next_event();
    return return_to & ~Address{1};
}

Address Machine::handle_emulator_exception(Address pc) {
    if (emulator_exception_ == kExceptionExit && !active_.empty()) return return_from_exception();
    if (emulator_exception_ == kBreakpoint) {
        std::uint32_t code = 0;
        memory_.read(pc, 2, &code);
        if (code == Semihosting::kBreakpoint) {
            set(UC_ARM_REG_R0, semihosting_.serve(get(UC_ARM_REG_R0), get(UC_ARM_REG_R1), now()));
            return pc + 2;
        }
    }
    if (emulator_exception_ == kSupervisorCall) {
        if (current_ != nullptr) finish_block(pc);
        current_ = nullptr;
        return take_exception(kSupervisorCallException, pc);
    }
    const char* kind = emulator_exception_ == kUndefined    ? "undefined instruction"
                       : emulator_exception_ == kBreakpoint ? "breakpoint"
                                                            : "exception of the core";
    fault_ = {kind, pc, pc, get(UC_ARM_REG_LR)};
    io_.stop(StopReason::Fault, 1);
    return pc;
}

}  // namespace tinyformer
