-- Files and words that all actions share: where the server works, ids, JSON, OSC, messages.
-- Ardour's Lua can send OSC but not receive it, so all answers are files in the server's work folder.

local library = ...
local wire = {}

local PORT = 9123 -- where `bandmate serve` listens by default

-- What `bandmate daw install` wrote: { workdir, command, data }, each of which may be missing.
local function settings ()
	local chunk = loadfile (library .. "settings.lua")
	local chosen = chunk and chunk () or {}
	local home = os.getenv ("HOME") or os.getenv ("USERPROFILE") or "."
	local data = chosen.data or home .. "/.local/share/bandmate"
	chosen.workdir = chosen.workdir or os.getenv ("BANDMATE_WORKDIR") or data .. "/work"
	return chosen
end

local chosen = settings ()
wire.workdir = chosen.workdir
wire.inbox = wire.workdir .. "/inbox/"
wire.command = chosen.command -- the `bandmate` program, or nil if it is not known

function wire.read (path)
	local file = io.open (path, "rb")
	if not file then return nil end
	local text = file:read ("a")
	file:close ()
	return text
end

function wire.exists (path)
	local file = io.open (path, "rb")
	if file then file:close () end
	return file ~= nil
end

-- Nobody sees half a file: it is written under another name first.
function wire.write (path, text)
	local file = assert (io.open (path .. ".tmp", "wb"))
	file:write (text)
	file:close ()
	assert (os.rename (path .. ".tmp", path))
end

-- A word for the shell.
function wire.quoted (text)
	return "'" .. text:gsub ("'", "'\\''") .. "'"
end

-- The names in a folder.
function wire.list (folder)
	local pipe, names = io.popen ("ls " .. wire.quoted (folder) .. " 2>/dev/null"), {}
	for name in (pipe and pipe:read ("a") or ""):gmatch ("[^\n]+") do names[#names + 1] = name end
	if pipe then pipe:close () end
	return names
end

-- Eight hex digits that stand for this session (FNV-1a of its folder): two open sessions must not
-- take each other's stems out of the one mailbox.
function wire.tag ()
	local hash = 2166136261
	for index = 1, #Session:path () do
		hash = ((hash ~ Session:path ():byte (index)) * 16777619) & 0xffffffff
	end
	return string.format ("ardour-%08x", hash)
end

local count = 0
function wire.new_id ()
	count = count + 1
	local moment = (ARDOUR.LuaAPI.monotonic_time () + count) % 1000000
	return string.format ("%s-%s-%06d", wire.tag (), os.date ("%Y%m%d-%H%M%S"), moment)
end

-- JSON of a string, number, list or table with string keys.
function wire.json (value)
	if type (value) == "string" then
		local escaped = value:gsub ('[%c"\\\127]', function (char)
			return string.format ("\\u%04x", char:byte ())
		end)
		return '"' .. escaped .. '"'
	elseif type (value) == "number" then
		return math.type (value) == "integer" and tostring (value) or string.format ("%.6g", value)
	elseif #value > 0 then
		local items = {}
		for _, item in ipairs (value) do items[#items + 1] = wire.json (item) end
		return "[" .. table.concat (items, ", ") .. "]"
	end
	local names, items = {}, {}
	for name in pairs (value) do names[#names + 1] = name end
	table.sort (names)
	for _, name in ipairs (names) do
		items[#items + 1] = wire.json (name) .. ": " .. wire.json (value[name])
	end
	return "{" .. table.concat (items, ", ") .. "}"
end

-- A value as one line of Lua, which `wire.value` reads again.
function wire.literal (value)
	if type (value) ~= "table" then return (string.format ("%q", value):gsub ("\\\n", "\\n")) end
	local items = {}
	for key, item in pairs (value) do
		items[#items + 1] = "[" .. wire.literal (key) .. "]=" .. wire.literal (item)
	end
	return "{" .. table.concat (items, ",") .. "}"
end

function wire.value (line)
	local make = load ("return " .. (line or ""), "=value", "t", {})
	return make and make ()
end

-- A field of the running server's own file.
function wire.server (field)
	return tonumber ((wire.read (wire.workdir .. "/server.json") or ""):match ('"' .. field .. '":%s*(%d+)'))
end

-- UDP may lose it, and send () says nothing: the hook sends it again until the server has it.
function wire.send (address, types, arguments)
	local target = ARDOUR.LuaOSC.Address ("osc.udp://127.0.0.1:" .. (wire.server ("port") or PORT))
	target:send (address, types, table.unpack (arguments))
end

local function show (text, kind, buttons)
	local log = io.open (library .. "messages.txt", "ab")
	if log then
		log:write (os.date ("%Y-%m-%d %H:%M:%S "), (text:gsub ("\n+", " ")), "\n")
		log:close ()
	end
	return LuaDialog.Message ("bandmate", text, kind, buttons):run ()
end

-- Show a message, and keep it in messages.txt beside this file.
function wire.say (text, kind)
	show (text, kind or LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK)
end

-- Ask a question and return whether the answer is yes.
function wire.confirmed (text)
	return show (text, LuaDialog.MessageType.Question, LuaDialog.ButtonType.Yes_No) == LuaDialog.Response.Yes
end

-- Call a function; what goes wrong in it is shown, and goes no further.
function wire.guarded (work, ...)
	local ok, problem = pcall (work, ...)
	if not ok then wire.say (tostring (problem)) end
end

return wire
