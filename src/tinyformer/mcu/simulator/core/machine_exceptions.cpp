// SPDX-License-Identifier: Apache-2.0
// Interrupts, exceptions and sleeping of the simulated core.
#include <algorithm>
#include <cstring>

#include "double_unit.hpp"
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

// When an interrupt may next come, or a device do something by itself.
Cycle Machine::next_wakeup() {
    const Cycle time = now();
    Cycle next = system_.next_event(time);
    for (Peripheral* device : timed_) {
        if (system_.enabled(device->irq()))
            next = std::min(next, device->interrupt(time) ? time : device->next_event(time));
        next = std::min(next, device->next_action(time));
    }
    return next;
}

void Machine::refresh_next_event() { next_event_ = std::min(next_wakeup(), next_probe_); }

void Machine::advance_devices() {
    for (Peripheral* device : timed_) device->advance(now());
}

bool Machine::attend(Address address) {
    if (io_.interrupted) io_.stop(StopReason::Interrupted, 1);
    advance_devices();
    if (io_.reason != StopReason::None || check_interrupts()) return true;
    if (now() >= next_probe_) probe(address);
    return io_.reason != StopReason::None;
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

void Machine::probe(Address address) {
    constexpr int kMostBlocks = 64;
    constexpr int kRegisters[16] = {UC_ARM_REG_R0,  UC_ARM_REG_R1, UC_ARM_REG_R2,  UC_ARM_REG_R3,
                                    UC_ARM_REG_R4,  UC_ARM_REG_R5, UC_ARM_REG_R6,  UC_ARM_REG_R7,
                                    UC_ARM_REG_R8,  UC_ARM_REG_R9, UC_ARM_REG_R10, UC_ARM_REG_R11,
                                    UC_ARM_REG_R12, UC_ARM_REG_SP, UC_ARM_REG_LR,  UC_ARM_REG_XPSR};
    std::array<std::uint32_t, 16> registers{};
    for (std::size_t index = 0; index < registers.size(); ++index) registers[index] = get(kRegisters[index]);
    if (probe_.blocks_left == 0) {
        probe_ = {kMostBlocks, address, registers, bus_reads_};
    } else if (bus_reads_ != probe_.bus_reads || previous_ == nullptr || previous_->changes_state) {
        return end_probe(false);
    } else if (address == probe_.address && registers == probe_.registers) {
        return end_probe(true);
    } else if (address == probe_.address && --probe_.blocks_left != 0) {
        probe_.registers = registers;  // the first time around, they may hold what an interrupt has changed since
    } else if (--probe_.blocks_left == 0) {
        return end_probe(false);
    }
    next_event_ = now();  // at the next block again
}

void Machine::end_probe(bool idle) {
    probe_.blocks_left = 0;
    idle_ = idle;
    if (idle) sleep((get(UC_ARM_REG_PRIMASK) & 1) != 0 || (get(UC_ARM_REG_FAULTMASK) & 1) != 0);
    next_probe_ = idle ? now() : now() + probe_interval_;
    refresh_next_event();
}

void Machine::lock_up(const std::string& kind) {
    fault_.kind = kind;
    fault_.pc = fault_.address = get(UC_ARM_REG_PC) & ~Address{1};
    fault_.lr = get(UC_ARM_REG_LR);
    io_.stop(StopReason::Lockup, 1);
}

// Whether the core has waited for so long, and printed nothing, that no more is expected of it.
bool Machine::idle_for_long(Cycle time) {
    constexpr Cycle kListening = 1, kSilent = 10;  // seconds
    constexpr Cycle kAsleep = 9, kOf = 10;         // most of the time
    if (io_.line.last_activity() != idle_since_) {
        idle_since_ = io_.line.last_activity();
        idle_time_ = 0;
    }
    const auto second = static_cast<Cycle>(settings_.get("clock_hz"));
    const Cycle patience = second * (io_.line.used() || io_.line.listening() ? kListening : kSilent);
    return idle_time_ >= patience && idle_time_ * kOf >= (time - idle_since_) * kAsleep;
}

void Machine::sleep(bool masked) {
    if (masked) return lock_up("infinite loop with interrupts masked");
    if (!active_.empty())
        return lock_up("infinite loop in the handler of exception " + std::to_string(active_.back().number));
    if (io_.interrupted) return io_.stop(StopReason::Interrupted, 1);
    if (io_.line.live() || io_.line.listening()) io_.line.wait(now());
    const Cycle time = now(), wakeup = next_wakeup();
    refresh_next_event();
    if (io_.line.live()) {
        // The simulated time of a live line passes with that of its host.
        if (wakeup == kNever || wakeup <= time) return;
    } else if (wakeup == kNever) {
        if (io_.line.used() || io_.line.listening()) return io_.stop(StopReason::InputExhausted, 0);
        return lock_up("infinite loop");
    } else if (idle_for_long(time)) {
        return io_.stop(StopReason::InputExhausted, 0);
    }
    if (wakeup <= time) return;
    idle_time_ += wakeup - time;
    if (model_)
        model_->wait_until(wakeup);
    else
        slept_ += wakeup - time;
}

Address Machine::take_exception(unsigned number, Address return_to) {
    system_.acknowledge(number);
    probe_.blocks_left = 0;
    if (idle_) next_probe_ = now() + probe_interval_;  // the handler may do so, too
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
    if (idle_ && active_.empty()) next_probe_ = now();
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
    if (emulator_exception_ == kUndefined && execute_double_precision(pc)) return pc + 4;
    const char* kind = emulator_exception_ == kUndefined    ? "undefined instruction"
                       : emulator_exception_ == kBreakpoint ? "breakpoint"
                                                            : "exception of the core";
    if (fault_.kind.empty()) fault_.kind = kind;
    fault_ = {fault_.kind, pc, pc, get(UC_ARM_REG_LR)};
    io_.stop(StopReason::Fault, 1);
    return pc;
}

bool Machine::execute_double_precision(Address pc) {
    std::uint32_t first = 0, second = 0;
    memory_.read(pc, 2, &first);
    memory_.read(pc + 2, 2, &second);
    const std::uint32_t instruction = (first << 16) | second;
    if (!is_double_operation(instruction)) return false;
    if (!double_precision_) {
        fault_.kind = "double-precision instruction, which the FPU of this chip does not have,";
        return false;
    }
    FloatState state;
    state.status = get(UC_ARM_REG_FPSCR);
    for (int index = 0; index < 16; ++index)
        uc_reg_read(engine_, UC_ARM_REG_D0 + index, &state.d[static_cast<std::size_t>(index)]);
    std::uint32_t status = get(UC_ARM_REG_XPSR);
    if (!execute_double(instruction, status, &state)) return false;
    for (int index = 0; index < 16; ++index)
        uc_reg_write(engine_, UC_ARM_REG_D0 + index, &state.d[static_cast<std::size_t>(index)]);
    set(UC_ARM_REG_FPSCR, state.status);
    // On to the next condition of an IT block: the state lies in bits 26, 25 and 15 to 10.
    const std::uint32_t state_of_it = ((status >> 25) & 3) | ((status >> 8) & 0xFC);
    const std::uint32_t advanced = (state_of_it & 7) == 0 ? 0 : (state_of_it & 0xE0) | ((state_of_it << 1) & 0x1F);
    status = (status & ~0x0600FC00u) | ((advanced & 3) << 25) | ((advanced & 0xFC) << 8);
    set(UC_ARM_REG_XPSR, status);
    fault_ = {};
    return true;
}

}  // namespace tinyformer
