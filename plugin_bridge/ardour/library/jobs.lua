-- "Jobs": what the server is doing for this session, with a mark to cancel each.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)

local function jobs ()
	local folder, found = wire.workdir .. "/jobs", {}
	local pipe = io.popen ("ls '" .. folder:gsub ("'", "'\\''") .. "' 2>/dev/null")
	for id in (pipe and pipe:read ("a") or ""):gmatch ("[^\n]+") do
		local text = id:find (wire.tag (), 1, true) == 1 and wire.read (folder .. "/" .. id .. "/state.json")
		local state = text and text:match ('"state":%s*"(%l+)"')
		if state == "queued" or state == "running" then
			found[#found + 1] = {
				id = id, state = state, task = text:match ('"task":%s*"([^"]*)"') or "job",
				percent = math.floor (100 * (tonumber (text:match ('"fraction":%s*([%d.]+)')) or 0)),
			}
		end
	end
	if pipe then pipe:close () end
	return found
end

local running, rows = jobs (), { { type = "heading", title = "Mark what shall be cancelled" } }
if #running == 0 then
	wire.say ("Nothing is being made for this session.", LuaDialog.MessageType.Info)
	return
end
for _, job in ipairs (running) do
	local title = string.format ("%s, %s, %d %%", job.task, job.state, job.percent)
	rows[#rows + 1] = { type = "checkbox", key = job.id, title = title, default = #running == 1 }
end
local answer = LuaDialog.Dialog ("bandmate: Jobs", rows):run ()
for _, job in ipairs (running) do
	if answer and answer[job.id] then wire.send ("/bandmate/cancel", "ss", { wire.new_id (), job.id }) end
end
