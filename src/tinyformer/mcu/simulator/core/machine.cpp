// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <algorithm>
#include <stdexcept>

namespace tinyformer {

namespace {

constexpr Address kPeripheralBase = 0x40000000;
constexpr std::size_t kPeripheralBytes = 0x20000000;
constexpr Address kMemoryControllerBase = 0xA0000000;  // registers of FMC and QUADSPI
constexpr std::size_t kMemoryControllerBytes = 0x2000;
constexpr Address kSystemMemoryBase = 0x1FF00000;  // boot loader, option bytes, unique identifier: read as zero
constexpr std::size_t kSystemMemoryBytes = 0x100000;

void check(uc_err error, const char* what) {
    if (error != UC_ERR_OK) throw std::runtime_error(std::string(what) + ": " + uc_strerror(error));
}

uc_engine* open_engine(const Settings& settings) {
    uc_engine* engine = nullptr;
    check(uc_open(UC_ARCH_ARM, static_cast<uc_mode>(UC_MODE_THUMB | UC_MODE_MCLASS), &engine), "opening the emulator");
    check(uc_ctl_set_cpu_model(engine, find_core(settings.text("core")).emulated_as), "choosing the core");
    return engine;
}

}  // namespace

// The emulator's callbacks, with access to the machine.
struct MachineHooks {
    static Machine& machine(void* user) { return *static_cast<Machine*>(user); }

    static void block(uc_engine*, std::uint64_t address, std::uint32_t size, void* user) {
        machine(user).enter_block(static_cast<Address>(address) & ~Address{1}, size);
    }
    static void segment(uc_engine*, std::uint64_t address, std::uint32_t, void* user) {
        machine(user).enter_segment(static_cast<Address>(address) & ~Address{1});
    }
    // Only installed to check the computed addresses. Unicorn 2.1 leaves the state of an IT block behind when a
    // predicated access has a hook, and skips instructions later: clear it.
    static void access(uc_engine* engine, uc_mem_type type, std::uint64_t address, int size, std::int64_t, void* user) {
        constexpr std::uint32_t kIfThenState = 0x0600FC00;
        std::uint32_t status = 0;
        uc_reg_read(engine, UC_ARM_REG_XPSR, &status);
        if ((status & kIfThenState) != 0) {
            status &= ~kIfThenState;
            uc_reg_write(engine, UC_ARM_REG_XPSR, &status);
        }
        machine(user).reference_.push_back(
            {static_cast<Address>(address), static_cast<std::uint8_t>(size), type == UC_MEM_WRITE});
    }
    static bool invalid(uc_engine*, uc_mem_type type, std::uint64_t address, int, std::int64_t, void* user) {
        Fault& fault = machine(user).fault_;
        fault.address = static_cast<Address>(address);
        switch (type) {
            case UC_MEM_WRITE_PROT:
                fault.kind = "write to read-only memory";
                break;
            case UC_MEM_WRITE_UNMAPPED:
                fault.kind = "write outside the memories";
                break;
            case UC_MEM_READ_UNMAPPED:
            case UC_MEM_READ_PROT:
                fault.kind = "read outside the memories";
                break;
            default:
                fault.kind = "execution outside the memories";
                break;
        }
        return false;
    }
    static void exception(uc_engine* engine, std::uint32_t number, void* user) {
        machine(user).emulator_exception_ = static_cast<int>(number);
        uc_emu_stop(engine);
    }
    static bool illegal(uc_engine*, void* user) {
        machine(user).fault_.kind = "undefined instruction";
        return false;
    }
    static std::uint64_t read_peripheral(uc_engine*, std::uint64_t offset, unsigned size, void* user) {
        return machine(user).read_peripheral(kPeripheralBase + static_cast<Address>(offset), size);
    }
    static void write_peripheral(uc_engine*, std::uint64_t offset, unsigned size, std::uint64_t value, void* user) {
        machine(user).write_peripheral(kPeripheralBase + static_cast<Address>(offset), size,
                                       static_cast<std::uint32_t>(value));
    }
    static std::uint64_t read_memory_controller(uc_engine*, std::uint64_t offset, unsigned size, void* user) {
        return machine(user).read_peripheral(kMemoryControllerBase + static_cast<Address>(offset), size);
    }
    static void write_memory_controller(uc_engine*, std::uint64_t offset, unsigned size, std::uint64_t value,
                                        void* user) {
        machine(user).write_peripheral(kMemoryControllerBase + static_cast<Address>(offset), size,
                                       static_cast<std::uint32_t>(value));
    }
    static std::uint64_t read_system(uc_engine*, std::uint64_t offset, unsigned, void* user) {
        Machine& m = machine(user);
        const Address address = SystemControl::kBase + static_cast<Address>(offset);
        ++m.bus_reads_;
        return m.system_.read(address, m.now()) >> ((address & 3) * 8);
    }
    static void write_system(uc_engine* engine, std::uint64_t offset, unsigned, std::uint64_t value, void* user) {
        Machine& m = machine(user);
        m.system_.write(SystemControl::kBase + static_cast<Address>(offset), static_cast<std::uint32_t>(value),
                        m.now());
        m.refresh_next_event();
        if (m.io_.reason != StopReason::None) uc_emu_stop(engine);
    }
    static std::uint64_t read_system_memory(uc_engine*, std::uint64_t, unsigned, void*) { return 0; }
};

Machine::Machine(const Settings& settings)
    : settings_(settings),
      engine_(open_engine(settings)),
      memory_(settings, engine_),
      clocks_(settings),
      status_registers_(settings),
      system_(find_core(settings.text("core")), &io_),
      semihosting_(memory_, static_cast<std::uint64_t>(settings.get("clock_hz")), &io_),
      devices_(make_peripherals(settings, clocks_, &memory_, &io_)),
      flash_blocks_(memory_.flash_bytes() / 2, nullptr),
      check_accesses_(settings.get("check_accesses") != 0),
      double_precision_(settings.get("double_precision") != 0) {
    constexpr Cycle kQuietPart = 100,
                    kProbePart = 233;  // of a second; not always at the same time as a periodic interrupt
    const auto clock = static_cast<Cycle>(settings.get("clock_hz"));
    io_.line.configure(clock / kQuietPart);
    probe_interval_ = next_probe_ = clock / kProbePart;
    for (const auto& device : devices_) {
        if (device->base() != kNoRegisters) devices_by_page_[device->base() >> kDevicePage] = device.get();
        if (device->timed()) timed_.push_back(device.get());
    }
    if (settings.get("timing") != 0) {
        model_ = settings.text("timing.model") == "dual-issue" ? make_cortex_m7(settings, memory_)
                                                               : make_cortex_m4(settings, memory_);
    }
    system_.on_region = [this](bool begin, std::uint32_t number) { mark_region(begin, number); };
    system_.on_control = [this](Address address, std::uint32_t value) {
        if (model_) model_->control_register(address, value);
    };
    map_buses();
    add_hooks();
}

Machine::~Machine() { uc_close(engine_); }

void Machine::map_buses() {
    check(uc_mmio_map(engine_, kPeripheralBase, kPeripheralBytes, MachineHooks::read_peripheral, this,
                      MachineHooks::write_peripheral, this),
          "mapping the peripherals");
    check(uc_mmio_map(engine_, kMemoryControllerBase, kMemoryControllerBytes, MachineHooks::read_memory_controller,
                      this, MachineHooks::write_memory_controller, this),
          "mapping the memory controllers");
    check(uc_mmio_map(engine_, SystemControl::kBase, SystemControl::kBytes, MachineHooks::read_system, this,
                      MachineHooks::write_system, this),
          "mapping the system control space");
    check(uc_mmio_map(engine_, kSystemMemoryBase, kSystemMemoryBytes, MachineHooks::read_system_memory, this, nullptr,
                      this),
          "mapping the system memory");
}

void Machine::add_hooks() {
    auto add = [&](int kind, auto* callback) {
        uc_hook handle;
        check(uc_hook_add(engine_, &handle, kind, reinterpret_cast<void*>(callback), this, 1, 0), "adding a hook");
    };
    add(UC_HOOK_BLOCK, &MachineHooks::block);
    add(UC_HOOK_MEM_INVALID, &MachineHooks::invalid);
    add(UC_HOOK_INTR, &MachineHooks::exception);
    add(UC_HOOK_INSN_INVALID, &MachineHooks::illegal);
    if (check_accesses_) add(UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, &MachineHooks::access);
}

void Machine::hook_segment(Address start) {
    uc_hook handle;
    check(uc_hook_add(engine_, &handle, UC_HOOK_CODE, reinterpret_cast<void*>(&MachineHooks::segment), this, start,
                      start),
          "adding a hook");
}

std::uint32_t Machine::get(int unicorn_register) const {
    std::uint32_t value = 0;
    uc_reg_read(engine_, unicorn_register, &value);
    return value;
}

void Machine::set(int unicorn_register, std::uint32_t value) { uc_reg_write(engine_, unicorn_register, &value); }

void Machine::watch_stack(Address low, Address high) {
    stack_low_ = low;
    stack_high_ = high;
    for (Address at = low; at + 4 <= high; at += 4) {
        memory_.load(at, reinterpret_cast<const std::uint8_t*>(&kStackPaint), sizeof kStackPaint);
    }
}

void Machine::boot() {
    std::sort(symbols_.begin(), symbols_.end(), [](const Symbol& a, const Symbol& b) { return a.address < b.address; });
    for (const auto& [address, value] : status_registers_.reset_values()) {
        stored_[address] = value;
        if (model_) model_->control_register(address, value);
    }
    memory_.read(memory_.flash_start(), 4, &initial_stack_);
    set(UC_ARM_REG_SP, initial_stack_);
    set(UC_ARM_REG_FPEXC, 0x40000000);  // the coprocessor access register is not emulated: FPU always on
}

void Machine::run(std::uint64_t instruction_limit) {
    limit_ = instruction_limit;
    boot();
    std::uint32_t entry = 0;
    memory_.read(memory_.flash_start() + 4, 4, &entry);
    refresh_next_event();
    Address pc = entry;
    while (io_.reason == StopReason::None) pc = run_once(pc);
    if (current_ != nullptr && io_.reason != StopReason::Fault) finish_block(current_->end());
    layers_.close(totals());
}

Address Machine::run_once(Address pc) {
    constexpr std::uint64_t kNoEnd = 0xFFFFFFFE;
    emulator_exception_ = -1;
    wanted_exception_ = 0;
    retranslate_ = false;
    const uc_err error = uc_emu_start(engine_, pc | 1, kNoEnd, 0, 0);
    const Address stopped = get(UC_ARM_REG_PC) & ~Address{1};
    if (io_.reason != StopReason::None) return stopped;
    if (emulator_exception_ >= 0) return handle_emulator_exception(stopped);
    if (error != UC_ERR_OK) {
        constexpr Address kFirstExceptionReturn = 0xFFFFFF00;
        if (fault_.address >= kFirstExceptionReturn && !active_.empty()) return return_from_exception();
        if (fault_.kind == "undefined instruction" && execute_double_precision(stopped)) return stopped + 4;
        if (fault_.kind.empty()) fault_.kind = uc_strerror(error);
        if (fault_.kind == "undefined instruction") fault_.address = stopped;
        fault_.pc = stopped;
        fault_.lr = get(UC_ARM_REG_LR);
        io_.stop(StopReason::Fault, 1);
        return stopped;
    }
    if (retranslate_) {
        uc_ctl_flush_tb(engine_);
        return stopped;
    }
    if (wanted_exception_ != 0) return take_exception(wanted_exception_, stopped);
    if (current_ != nullptr) {  // the emulator rests after WFI
        finish_block(stopped);
        current_ = nullptr;
        sleep();
    }
    return stopped;
}

}  // namespace tinyformer
